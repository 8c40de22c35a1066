"""What one batch left on the device: small tensors per call, brought over in one transfer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bnlint.layers.regions import Region
from bnlint.probing.observing.layout import places, raw_step, unit_dims, with_units

Key = tuple[str, int]
"""Layer and 0-based call of it in one forward: what makes readings of two batches the same site."""


@dataclass(slots=True)
class Moments:
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
    moments: Moments
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
    """Operations of our own, which no function mode needs to look at: that would double them."""
    found: AbstractContextManager[None] = torch._C.DisableTorchFunction()
    return found


class Scratch:
    """Memory for the one large intermediate, taken once: fresh pages for each call cost more."""

    def __init__(self) -> None:
        self._memory: Tensor | None = None

    def like(self, x: Tensor) -> Tensor:
        """A contiguous tensor of the shape and type of ``x``, its content left over."""
        memory = self._memory
        fits = memory is not None and memory.dtype == x.dtype and memory.device == x.device
        if memory is None or not fits or memory.numel() < x.numel():
            memory = self._memory = torch.empty(x.numel(), dtype=x.dtype, device=x.device)
        return memory[: x.numel()].view(x.shape)


def moments(x: Tensor, axis: int, scratch: Scratch) -> tuple[Moments, Tensor]:
    """Mean and squared deviations between samples at each unit and place, and the sampled values.

    Two passes over the sample, so that a small spread about a large mean keeps its digits.
    """
    sample = places(x, axis).float()
    mean = sample.mean(0)
    deviations = torch.sub(sample, mean, out=scratch.like(sample)).square_().sum(0)
    step = raw_step(sample.numel(), x.shape[axis])
    found = Moments(x.shape[0], axis - 1, mean, deviations)
    return found, sample.reshape(-1)[::step].clone()


def largest(x: Tensor, axis: int) -> Tensor:
    """The largest absolute value of each unit, without a copy of ``x``."""
    x = with_units(x)
    dims = unit_dims(x.ndim, axis)
    return torch.maximum(x.amax(dims), x.amin(dims).neg())


def norm_of(x: Tensor) -> Tensor:
    """The Euclidean norm of all entries in single precision.

    Where their squares leave its range (entries under 1e-20 or over 1e19) it is measured by the
    largest of them: a gradient that is small beyond squaring is not zero.
    """
    flat = x.detach().reshape(-1)
    if not flat.numel():
        return flat.new_zeros((), dtype=torch.float32)
    if flat.dtype is not torch.float32:
        wide = flat if flat.dtype is torch.float64 else flat.float()
        whole: Tensor = torch.linalg.vector_norm(wide)
        return whole.float()
    square = torch.dot(flat, flat)
    largest = torch.maximum(flat.amax(), flat.amin().neg())
    sound = (square > 1e-35) & (square < 1e38)
    return torch.where(sound, square.sqrt(), largest)


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
    """Brings what lies in the slots, all on one device, over as one tensor."""
    tensors = [holder[name] for holder, name in slots]
    flat = torch.cat([t.detach().reshape(-1).float() for t in tensors]).cpu()
    pieces = torch.split(flat, [t.numel() for t in tensors])
    for (holder, name), piece in zip(slots, pieces, strict=True):
        holder[name] = piece.view(holder[name].shape)


class _Attributes:
    """An object's attributes by subscription, so that lists and objects are filled alike."""

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
