"""What a failed operation asks of one of its tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, eq=False)
class OtherRank:
    """The tensor must have ``by`` more axes."""

    tensor: torch.Tensor
    by: int


@dataclass(frozen=True, slots=True, eq=False)
class OtherType:
    """The tensor must hold whole numbers, truth values, or floats."""

    tensor: torch.Tensor
    dtype: torch.dtype


@dataclass(frozen=True, slots=True, eq=False)
class OtherSize:
    """An axis of the tensor must have the size ``want``.

    ``flat`` is the whole tensor without its batch, if a view asks for so many values.
    ``channels`` is true if a layer asks for it, false if another tensor is the measure.
    """

    tensor: torch.Tensor
    axis: int
    want: int
    flat: bool = False
    channels: bool = True

    @property
    def got(self) -> int:
        """The size that it has."""
        shape = self.tensor.shape
        return math.prod(shape[1:]) if self.flat else shape[self.axis]

    def is_like(self, other: Demand) -> bool:
        """True for a demand about the same axis."""
        return isinstance(other, OtherSize) and (self.axis, self.flat) == (other.axis, other.flat)


@dataclass(frozen=True, slots=True, eq=False)
class OtherBatch:
    """The inputs that the tensor comes from must hold ``want`` samples."""

    tensor: torch.Tensor
    want: int


@dataclass(frozen=True, slots=True, eq=False)
class Larger:
    """The tensor is too small for a kernel, a window or a padding."""

    tensor: torch.Tensor


Demand = OtherRank | OtherType | OtherSize | OtherBatch | Larger
