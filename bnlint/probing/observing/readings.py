"""What each batch left on the device: small tensors per call, all brought over in one transfer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bnlint.domain.graph import Location
from bnlint.layers.regions import Region
from bnlint.tracing.forward import Key


@dataclass(slots=True)
class SampleMoments:
    """Count of samples, and per unit and place the mean and the sum of squared deviations."""

    samples: int
    axis: int
    mean: Tensor
    deviations: Tensor


@dataclass(slots=True)
class Whole:
    """Exact sums over all values of a feature map, of which the moments are only a sample.

    ``total`` and ``square`` are means of the values and of their squares, ``common`` the mean
    square of what samples share: of the mean over samples at each place.
    """

    values: int
    total: Tensor
    square: Tensor
    common: Tensor


@dataclass(slots=True)
class Turn:
    """When a call came in its forward, where in the user's source, and what came before it.

    ``fed_by`` is the conv/linear layer whose output it reads. ``pooled`` is true where space has
    been averaged away: of noise that leaves nearly the same for every sample.
    """

    order: int = 0
    location: Location | None = None
    fed_by: str = ""
    pooled: bool = False


@dataclass(slots=True)
class ActivationReading:
    """One call of an activation, in one batch or merged over several.

    ``gradients`` holds the largest absolute gradient per unit, one entry for each time that a
    gradient arrived. ``at_output`` is true when the model returned what this call returned,
    ``is_gate`` when its result multiplied something else. ``asked`` is true if a gradient may come.
    ``compares`` is false where the rows are no samples: a table of positions has one row for a
    whole batch. ``more`` holds what :mod:`bnlint.probing.observing.numbers` takes, ``whole`` the
    sums over a large feature map.
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
    whole: Whole | None = None
    turn: Turn = field(default_factory=Turn)


@dataclass(slots=True)
class NormReading:
    """One call of a norm in one batch; running statistics as they were before the probe.

    ``low`` is the share of channels or groups whose variance is under ten eps.
    """

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
    low: Tensor | None = None
    learned: Tensor | None = None
    turn: Turn = field(default_factory=Turn)


@dataclass(slots=True)
class KernelReading:
    """One kernel: its weight, and one gradient norm for each batch.

    ``call`` is the first call that used it. Kernels of one ``stage`` read the same tensor.
    """

    layer: str
    kind: str
    weight: Tensor
    trainable: bool = True
    stage: int = 0
    norms: list[Tensor] = field(default_factory=list)
    weight_norm: Tensor | None = None
    call: int = 0
    identical: Tensor | None = None
    turn: Turn = field(default_factory=Turn)


Reading = ActivationReading | NormReading | KernelReading

_TENSORS = {
    ActivationReading: ("maximum", "minimum", "before", "after"),
    NormReading: (
        *("mean", "variance", "running_mean", "running_variance", "tracked", "low", "learned"),
    ),
    KernelReading: ("weight_norm", "identical"),
    SampleMoments: ("mean", "deviations"),
    Whole: ("total", "square", "common"),
}
"""The fields that hold a tensor."""


def unseen() -> AbstractContextManager[None]:
    """Hides operations of our own from function modes, which would see them twice."""
    found: AbstractContextManager[None] = torch._C.DisableTorchFunction()
    return found


def bring(readings: Sequence[Reading], scalars: Sequence[Tensor] = ()) -> list[float]:
    """Replaces every tensor of the readings by its copy in host memory: one transfer a device.

    Returns the scalars as numbers; they travel along.
    """
    return Transfer(readings, scalars).finish()


class Transfer:
    """Readings and scalars on their way to host memory, while the device and Python go on."""

    def __init__(self, readings: Sequence[Reading], scalars: Sequence[Tensor] = ()) -> None:
        self._values = list(scalars)
        devices: dict[torch.device, tuple[list[tuple[Any, Any]], list[Tensor]]] = {}
        for holder, name in (*_items(self._values), *_slots(readings)):
            tensor = holder[name]
            slots, tensors = devices.setdefault(tensor.device, ([], []))
            slots.append((holder, name))
            tensors.append(tensor)
        with unseen():
            self._parts = [
                (slots, [t.shape for t in tensors], *_sent(tensors))
                for slots, tensors in devices.values()
            ]

    @property
    def ready(self) -> bool:
        """True once :meth:`finish` has nothing to wait for."""
        return all(event is None or event.query() for *_, event in self._parts)

    def finish(self) -> list[float]:
        """Puts what has arrived into the readings; the scalars as numbers."""
        with unseen():
            for slots, shapes, copy, event in self._parts:
                if event is not None:
                    event.synchronize()
                pieces = torch.split(copy, [shape.numel() for shape in shapes])
                for (holder, name), shape, piece in zip(slots, shapes, pieces, strict=True):
                    holder[name] = piece.view(shape)
            return [float(value) for value in self._values]


def _sent(tensors: list[Tensor]) -> tuple[Tensor, Any]:
    """A copy of the tensors in host memory, and the event after which it is there; None if it is.

    Only a copy to pinned memory does not wait, and only some backends have that.
    """
    flat = torch.cat([t.detach().reshape(-1).float() for t in tensors])
    if flat.device.type == "cpu":
        return flat, None
    try:
        copy = torch.empty(flat.shape, dtype=flat.dtype, pin_memory=True)
        event = torch.Event(flat.device.type)
        copy.copy_(flat, non_blocking=True)
        event.record(torch.accelerator.current_stream(flat.device))
        return copy, event
    except (RuntimeError, NotImplementedError, AttributeError, TypeError):
        return flat.cpu(), None


class _Attributes:
    """Attributes by subscription, so that lists and objects are filled in the same way."""

    def __init__(self, of: object) -> None:
        self.of = of

    def __getitem__(self, name: str) -> Any:
        return getattr(self.of, name)

    def __setitem__(self, name: str, value: Tensor) -> None:
        setattr(self.of, name, value)


def _slots(readings: Sequence[Reading]) -> Iterator[tuple[Any, Any]]:
    """Holder and name of every tensor in the readings."""
    for reading in readings:
        yield from _attributes(reading)
        if isinstance(reading, ActivationReading):
            yield from _attributes(reading.moments)
            yield from _attributes(reading.whole) if reading.whole is not None else ()
            yield from _items(reading.gradients)
            yield from ((reading.more, name) for name in reading.more)
        if isinstance(reading, KernelReading):
            yield from _items(reading.norms)


def _attributes(of: Reading | SampleMoments | Whole) -> Iterator[tuple[Any, Any]]:
    slots = ((_Attributes(of), name) for name in _TENSORS[type(of)])
    return (slot for slot in slots if slot[0][slot[1]] is not None)


def _items(values: list[Tensor]) -> Iterator[tuple[Any, Any]]:
    return ((values, i) for i in range(len(values)))
