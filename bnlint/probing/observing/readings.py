"""What each batch left on the device: small tensors per call, brought over and then merged.

All readings come over in one transfer. Those of many batches, or of many processes, are merged on
the host in double precision by Chan's formula. Source: Chan, Golub and LeVeque, "Updating formulae
and a pairwise algorithm for computing sample variances" (1979).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from bnlint.layers.regions import Region
from bnlint.probing.observing.numbers import combined
from bnlint.tracing.forward.watched import Key


@dataclass(slots=True)
class SampleMoments:
    """Count of samples, and per unit and place the mean and the sum of squared deviations."""

    samples: int
    axis: int
    mean: Tensor
    deviations: Tensor


@dataclass(slots=True)
class ActivationReading:
    """One call of an activation in one batch.

    ``gradients`` holds the largest absolute gradient per unit, one entry for each time that a
    gradient arrived. ``at_output`` is true when the model returned what this call returned,
    ``is_gate`` when its result multiplied something else. ``compares`` is false where the rows are
    no samples: a table of positions has one row for a whole batch. ``more`` holds what
    :mod:`bnlint.probing.observing.numbers` takes.
    """

    key: Key
    kind: str
    region: Region
    dtype: str
    moments: SampleMoments
    maximum: Tensor
    minimum: Tensor
    before: Tensor
    after: Tensor | None = None
    gradients: list[Tensor] = field(default_factory=list)
    at_output: bool = False
    is_gate: bool = False
    asked: bool = False
    compares: bool = True
    more: dict[str, Tensor] = field(default_factory=dict)


@dataclass(slots=True)
class NormReading:
    """One call of a norm in one batch; running statistics as they were before the probe."""

    key: Key
    kind: str
    samples: int
    values_per_sample: int
    eps: float
    batch_statistics: bool
    mean: Tensor
    variance: Tensor
    running_mean: Tensor | None = None
    running_variance: Tensor | None = None
    tracked: Tensor | None = None


@dataclass(slots=True)
class KernelReading:
    """One kernel: its weight, and one gradient norm for each batch.

    Kernels of one ``stage`` read the same tensor.
    """

    layer: str
    kind: str
    weight: Tensor
    trainable: bool = True
    stage: int = 0
    norms: list[Tensor] = field(default_factory=list)
    weight_norm: Tensor | None = None


Reading = ActivationReading | NormReading | KernelReading


def unseen() -> AbstractContextManager[None]:
    """Hides operations of our own from function modes, which would see them twice."""
    found: AbstractContextManager[None] = torch._C.DisableTorchFunction()
    return found


def bring(readings: Sequence[Reading], scalars: Sequence[Tensor] = ()) -> list[float]:
    """Replaces every tensor of the readings by its copy in host memory: one transfer a device.

    Returns the scalars as numbers; they travel along.
    """
    values = list(scalars)
    slots = [*((values, i) for i in range(len(values))), *_slots(readings)]
    devices: dict[torch.device, list[tuple[Any, Any]]] = {}
    for holder, name in slots:
        devices.setdefault(holder[name].device, []).append((holder, name))
    with unseen():
        for group in devices.values():
            _transfer(group)
        return [float(value) for value in values]


def _transfer(slots: list[tuple[Any, Any]]) -> None:
    """Moves the tensors in the slots, all on one device, to the host as one tensor."""
    tensors = [holder[name] for holder, name in slots]
    flat = torch.cat([t.detach().reshape(-1).float() for t in tensors]).cpu()
    pieces = torch.split(flat, [t.numel() for t in tensors])
    for (holder, name), piece in zip(slots, pieces, strict=True):
        holder[name] = piece.view(holder[name].shape)


class _Attributes:
    """Attributes by subscription, so that lists and objects are filled in the same way."""

    def __init__(self, of: object) -> None:
        self.of = of

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = getattr(self.of, name)
        return found

    def __setitem__(self, name: str, value: Tensor) -> None:
        setattr(self.of, name, value)


_TENSORS = {
    ActivationReading: ("maximum", "minimum", "before", "after"),
    NormReading: ("mean", "variance", "running_mean", "running_variance", "tracked"),
    KernelReading: ("weight_norm",),
}


def _slots(readings: Sequence[Reading]) -> Iterator[tuple[Any, Any]]:
    for reading in readings:
        of = _Attributes(reading)
        names = _TENSORS[type(reading)]
        yield from ((of, name) for name in names if isinstance(getattr(reading, name), Tensor))
        if isinstance(reading, ActivationReading):
            yield from ((_Attributes(reading.moments), name) for name in ("mean", "deviations"))
            yield from ((reading.gradients, i) for i in range(len(reading.gradients)))
            yield from ((reading.more, name) for name in reading.more)
        if isinstance(reading, KernelReading):
            yield from ((reading.norms, i) for i in range(len(reading.norms)))


@dataclass(frozen=True, slots=True)
class MergedActivation:
    """All readings of one call of one activation as one."""

    layer: str
    call: int
    kind: str
    region: Region
    dtype: str
    moments: SampleMoments
    maximum: Tensor
    minimum: Tensor
    before: Tensor
    after: Tensor
    gradient: Tensor | None
    at_output: bool
    compares: bool
    more: Mapping[str, Tensor]


def merged(readings: Iterable[ActivationReading]) -> list[MergedActivation]:
    """One :class:`MergedActivation` for each call site, in the order of their first reading."""
    sites: dict[tuple[str, int], list[ActivationReading]] = {}
    for reading in readings:
        sites.setdefault(reading.key, []).append(reading)
    return [_activation(group) for group in sites.values()]


def chan(a: SampleMoments, b: SampleMoments) -> SampleMoments:
    """The moments of both samples together; places that differ in number are averaged first."""
    if a.mean.shape != b.mean.shape:
        a, b = _one_place(a), _one_place(b)
    count = a.samples + b.samples
    delta = b.mean.double() - a.mean.double()
    mean = a.mean.double() + delta * (b.samples / count)
    between = delta.square() * (a.samples * b.samples / count)
    return SampleMoments(
        count, a.axis, mean, a.deviations.double() + b.deviations.double() + between
    )


def unit_moments(m: SampleMoments) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance, and variance between samples at one place, all per unit."""
    dims = tuple(d for d in range(m.mean.ndim) if d != m.axis)
    means, deviations = m.mean.double(), m.deviations.double()
    spread = deviations / m.samples
    if not dims:
        return means, spread, spread
    mean = means.mean(dims, keepdim=True)
    between_places = (means - mean).square().mean(dims)
    within = spread.mean(dims)
    return mean.reshape(-1), within + between_places, within


def _activation(group: list[ActivationReading]) -> MergedActivation:
    first = group[0]
    same = [r for r in group if r.maximum.shape == first.maximum.shape]
    gradients = [g for reading in same for g in reading.gradients]
    if not gradients and any(r.asked for r in same):
        gradients = [torch.zeros_like(first.maximum)]
    afters = [r.after for r in same if r.after is not None]
    return MergedActivation(
        first.key[0],
        first.key[1],
        first.kind,
        first.region,
        first.dtype,
        reduce(chan, (r.moments for r in same)),
        reduce(torch.maximum, (r.maximum for r in same)),
        reduce(torch.minimum, (r.minimum for r in same)),
        torch.cat([r.before for r in same]),
        torch.cat(afters) if afters else first.before.new_zeros(0),
        reduce(torch.maximum, gradients) if gradients else None,
        any(r.at_output for r in group),
        all(r.compares for r in group),
        combined([r.more for r in same]),
    )


def _one_place(m: SampleMoments) -> SampleMoments:
    """The same units with their places averaged (feature maps of several sizes)."""
    mean, variance, _ = unit_moments(m)
    return SampleMoments(m.samples, 0, mean, variance * m.samples)


def merged_norms(readings: Iterable[NormReading]) -> list[NormReading]:
    """One reading for each call of a norm: batch statistics averaged over the batches."""
    sites: dict[tuple[str, int], list[NormReading]] = {}
    for reading in readings:
        sites.setdefault(reading.key, []).append(reading)
    return [_norm(group) for group in sites.values()]


def _norm(group: list[NormReading]) -> NormReading:
    first, total = group[0], sum(r.samples for r in group)
    mean = sum((r.mean.double() * (r.samples / total) for r in group), torch.zeros(()))
    variance = sum((r.variance.double() * (r.samples / total) for r in group), torch.zeros(()))
    return NormReading(
        first.key,
        first.kind,
        total,
        first.values_per_sample,
        first.eps,
        first.batch_statistics,
        mean,
        variance,
        first.running_mean,
        first.running_variance,
        first.tracked,
    )
