"""Which dimension of a tensor holds the units, and a small even sample of the others.

Dimension 0 is the batch. Units are on dimension 1 after convolutions and batch norms, on the last
one after linear layers and layer norms; a tensor is laid out like the last kernel or norm that
returned its shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bnlint.layers.table import builtin_table, having

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


def places(x: Tensor, axis: int) -> Tensor:
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


def raw_step(total: int, units: int) -> int:
    """A step that picks at most :data:`VALUES` of ``total`` values, evenly from all units."""
    step = math.ceil(total / VALUES)
    while step > 1 and math.gcd(step, units) != 1:
        step += 1
    return step
