"""Taking one reading: the few small reductions per call, all on the tensor's own device.

Dimension 0 is the batch. Units are on dimension 1 after convolutions and batch norms, on the last
one after linear layers and layer norms; a tensor is laid out like the last kernel or norm that
returned its shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.layers.regions import region_of
from bnlint.layers.table import Kind, builtin_table, having
from bnlint.probing.observing.numbers import taken
from bnlint.probing.observing.readings import (
    ActivationReading,
    NormReading,
    SampleMoments,
    Whole,
    unseen,
)
from bnlint.tracing.forward import Key

Running = tuple[Tensor | None, Tensor | None]

PASSES = (
    *("View", "Squeeze", "Unsqueeze", "Permute", "Transpose", "Alias", "Clone", "ToCopy"),
    *("Select", "Slice", "Expand", "UnsafeView", "Reshape", "TBackward"),
)
"""How the names of autograd nodes begin that only reshape."""

PLACES = 36
"""Maximum number of places of a feature map (6 x 6) read for mean, variance and signal."""

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


def running(arguments: Mapping[str, Any]) -> Running:
    """The running statistics of a norm, copied before it updates them."""
    mean, variance = arguments.get("running_mean"), arguments.get("running_var")
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return None, None
    return mean.detach().clone(), variance.detach().clone()


def batches_tracked(model: nn.Module) -> dict[str, Tensor]:
    """The number of batches each norm had seen before the probe."""
    counts = ((p, getattr(m, "num_batches_tracked", None)) for p, m in model.named_modules())
    return {path: count.detach().clone() for path, count in counts if isinstance(count, Tensor)}


def norm(
    x: Tensor,
    axis: int,
    key: Key,
    kind: Kind,
    arguments: Mapping[str, Any],
    out: Tensor,
    running: Running,
    tracked: Tensor | None,
) -> NormReading:
    """The reading of what enters a norm: mean and variance of every channel over the batch."""
    eps = arguments.get("eps")
    epsilon = float(eps) if isinstance(eps, (int, float)) else 1e-5
    uses_batch = "batchnorm" in kind.tags and bool(arguments.get("training", running[0] is None))
    mean, variance = _saved(out, epsilon) if uses_batch else (None, None)
    if mean is None or variance is None:
        dims, sample = unit_dims(x.ndim, axis), x.float()
        mean = sample.mean(dims, keepdim=True)
        mean, variance = mean.reshape(-1), (sample - mean).square_().mean(dims).reshape(-1)
    values = x.numel() // (x.shape[0] * x.shape[axis]) if x.ndim > 1 else 1
    own = None if "batchnorm" in kind.tags else _of_groups(x, arguments)
    low = ((variance if own is None else own) < 10 * epsilon).float().mean()
    return NormReading(
        key,
        kind.name,
        x.shape[0],
        values,
        epsilon,
        uses_batch,
        mean,
        variance,
        *running,
        tracked,
        low,
        _learned(arguments),
    )


def _of_groups(x: Tensor, arguments: Mapping[str, Any]) -> Tensor | None:
    """The variance of each set of values that the norm puts together; None where unknown."""
    shape, groups = arguments.get("normalized_shape"), arguments.get("num_groups")
    if isinstance(shape, (tuple, list)):  # a layer norm, or of root mean squares
        return x.float().var(tuple(range(x.ndim - len(shape), x.ndim)), correction=0)
    if isinstance(groups, int):
        return x.float().reshape(x.shape[0] * groups, -1).var(1, correction=0)
    if "use_input_stats" in arguments and x.ndim > 2:
        return x.float().flatten(2).var(2, correction=0)
    return None


def _learned(arguments: Mapping[str, Any]) -> Tensor | None:
    """Whether weight or bias differ among channels, as training leaves them; None without any."""
    weight, bias = arguments.get("weight"), arguments.get("bias")
    if not isinstance(weight, Tensor):
        return None
    moved = (weight != weight.reshape(-1)[0]).any()
    if isinstance(bias, Tensor):
        moved = moved | (bias != bias.reshape(-1)[0]).any()
    return moved.float()


def same_units(weight: Tensor) -> Tensor:
    """1 where the weights of units (rows) are the same and not zero, else 0; a few are compared."""
    if weight.ndim < 2 or weight.shape[0] < 2:
        return weight.new_zeros((), dtype=torch.float32)
    few = weight.detach()[:: max(1, weight.shape[0] // 4)]
    return ((few == few[:1]).all() & (few[0] != 0).any()).float()


def _saved(out: Tensor, eps: float) -> tuple[Tensor | None, Tensor | None]:
    """What the batch norm itself computed and keeps for its backward, at no cost."""
    mean = getattr(out.grad_fn, "_saved_result1", None)
    deviation = getattr(out.grad_fn, "_saved_result2", None)
    if not isinstance(mean, Tensor) or not isinstance(deviation, Tensor) or not mean.numel():
        return None, None
    inverse = deviation.detach().float()
    return mean.detach().float(), (inverse.pow(-2) - eps).clamp_(min=0)


def origin(output: Tensor) -> Any:
    """The autograd node that made ``output``, looking through reshapes."""
    node = output.grad_fn
    while node is not None and node.name().startswith(PASSES) and node.next_functions:
        node = node.next_functions[0][0]
    return node


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
    sound = (square > 1e-35) & (square < 1e38)
    return torch.where(sound, square.sqrt(), largest)
