"""Taking one reading: the few small reductions per call, all on the tensor's own device.

Dimension 0 is the batch. Units are on dimension 1 after convolutions and batch norms, on the last
one after linear layers and layer norms; a tensor is laid out like the last kernel or norm that
returned its shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bnlint.layers.regions import region_of
from bnlint.layers.table import builtin_table, having
from bnlint.probing.observing.numbers import taken
from bnlint.probing.observing.readings import (
    ActivationReading,
    SampleMoments,
    Whole,
    unseen,
)
from bnlint.tracing.forward import Key

PLACES = 36
"""Maximum number of places of a feature map (6 x 6) read for mean, variance and signal."""

SMALLEST, LARGEST = 1e-35, 1e38
"""Between these a sum of squares is exact enough in single precision."""

VALUES = 4096
"""Maximum number of raw values kept per activation and batch."""


@dataclass(slots=True)
class Layouts:
    """The unit dimension of the shapes that kernels and norms returned in this forward."""

    axes: dict[torch.Size, int] = field(default_factory=dict)

    def note(self, shape: torch.Size, kind: str) -> None:
        """Remembers that a kernel or norm of this kind returned this shape."""
        if len(shape) > 2:
            last = not builtin_table().kind(kind).tags.isdisjoint(having("reads", "last"))
            self.axes[shape] = len(shape) - 1 if last else 1

    def axis(self, shape: torch.Size) -> int:
        """The dimension of the units; for unknown shapes 1 for feature maps, else the last."""
        if len(shape) <= 2:
            return 1
        return self.axes.get(shape, 1 if len(shape) > 3 else len(shape) - 1)


def with_units(x: Tensor) -> Tensor:
    """``x``, or a view with one unit where it has only the batch dimension."""
    return x if x.ndim > 1 else x.unsqueeze(1)


def unit_dims(ndim: int, axis: int) -> tuple[int, ...]:
    """All dimensions but the units'."""
    return tuple(d for d in range(ndim) if d != axis)


def _places(x: Tensor, axis: int) -> Tensor:
    """A view of ``x`` at an even grid of at most :data:`PLACES` places, all samples and units."""
    spatial = [d for d in range(1, x.ndim) if d != axis]
    if not spatial:
        return x
    each = max(1, math.floor(PLACES ** (1 / len(spatial)) + 1e-9))
    index = [slice(None)] * x.ndim
    for d in spatial:
        step = math.ceil(x.shape[d] / each)
        index[d] = slice((x.shape[d] - 1) % step // 2, None, step)
    return x[tuple(index)]


def _raw(sample: Tensor, units: int) -> Tensor:
    """At most :data:`VALUES` of the values, evenly from all units."""
    step = math.ceil(sample.numel() / VALUES)
    while step > 1 and math.gcd(step, units) != 1:
        step += 1
    return sample.reshape(-1)[::step].clone()


def activation(
    x: Tensor, axis: int, key: Key, kind: str, arguments: Mapping[str, Any], scratch: Scratch
) -> ActivationReading:
    """The reading of what enters an activation.

    Extremes and sums are of all values. A feature map is also sampled, and the sample read twice,
    so that a small spread about a large mean keeps its digits.
    """
    x = with_units(x)
    places = _places(x, axis)
    sample = places.float()
    mean = sample.mean(0)
    deviations = torch.sub(sample, mean, out=scratch.like(sample)).square_().sum(0)
    dims = unit_dims(x.ndim, axis)
    return ActivationReading(
        key,
        kind,
        region_of(kind, arguments),
        str(x.dtype).removeprefix("torch."),
        SampleMoments(x.shape[0], axis - 1, mean, deviations),
        x.amax(dims),
        x.amin(dims),
        _raw(sample, x.shape[axis]),
        more=taken(x, axis),
        whole=_whole(x) if places.numel() < x.numel() else None,
    )


def _whole(x: Tensor) -> Whole:
    """The sums over all values in two passes, in single precision."""
    common = x.mean(0, dtype=torch.float32)
    return Whole(
        x.numel(),
        common.mean(),
        _square(x) / x.numel(),
        common.square_().mean(),
    )


def _square(x: Tensor) -> Tensor:
    """The sum of squares; a dot product is the fastest way to it, where the memory is one piece."""
    if x.dtype is not torch.float32:
        norm: Tensor = torch.linalg.vector_norm(x, dtype=torch.float32)
        return norm.square()
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    flat = (x.movedim(1, -1) if last else x).reshape(-1)
    found: Tensor = torch.dot(flat, flat)
    return found


def sampled(x: Tensor, axis: int) -> Tensor:
    """Raw values at the same places where :func:`activation` took them."""
    x = with_units(x)
    return _raw(_places(x, axis), x.shape[axis])


def keep_largest(gradients: list[Tensor], axis: int, gradient: Tensor) -> None:
    """Keeps the largest absolute gradient per unit, and not the gradient itself."""
    with unseen():
        x = with_units(gradient.detach())
        dims = unit_dims(x.ndim, axis)
        gradients.append(torch.maximum(x.amax(dims), x.amin(dims).neg()))


def same_units(weight: Tensor) -> Tensor:
    """1 where the weights of units (rows) are the same and not zero, else 0; a few are compared."""
    if weight.ndim < 2 or weight.shape[0] < 2:
        return weight.new_zeros((), dtype=torch.float32)
    few = weight.detach()[:: max(1, weight.shape[0] // 4)]
    return ((few == few[:1]).all() & (few[0] != 0).any()).float()


class Scratch:
    """Memory for the one large intermediate, allocated once: new pages for each call cost more."""

    def __init__(self) -> None:
        self._memory: Tensor | None = None

    def like(self, x: Tensor) -> Tensor:
        """A contiguous tensor of the shape and type of ``x``, with arbitrary content."""
        memory = self._memory
        fits = memory is not None and memory.dtype == x.dtype and memory.device == x.device
        if memory is None or not fits or memory.numel() < x.numel():
            memory = self._memory = torch.empty(x.numel(), dtype=x.dtype, device=x.device)
        return memory[: x.numel()].view(x.shape)


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
    sound = (square > SMALLEST) & (square < LARGEST)
    return torch.where(sound, square.sqrt(), largest)


def norms_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The norms as :func:`norm_of` has them; in host memory each tensor is read only once.

    Reading weights and gradients again takes longer there than all else that is measured of a
    layer. On a device it would have to be waited for, and reading is fast.
    """
    if any(t.device.type != "cpu" for t in tensors):
        return [norm_of(t) for t in tensors]
    flat = [t.detach().reshape(-1) for t in tensors]
    squares = [torch.dot(x, x) if x.dtype is torch.float32 and x.numel() else None for x in flat]
    known = [s for s in squares if s is not None]
    values = iter(torch.stack(known).tolist() if known else ())
    return [
        square.sqrt() if square is not None and SMALLEST < next(values) < LARGEST else norm_of(x)
        for x, square in zip(flat, squares, strict=True)
    ]
