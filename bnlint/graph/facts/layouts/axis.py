"""Axes and layouts as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from bnlint.domain.graph import Shape

BATCH, CHANNELS, SEQUENCE, POSITION = "batch", "channels", "sequence", "position"


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis counts, and its size.

    ``role`` is batch, channels (or features), sequence, position (in a map), or empty if unknown.
    """

    role: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The last axes of a tensor; all of them unless it is ``open``."""

    axes: tuple[Axis, ...] = ()
    open: bool = True

    @property
    def rank(self) -> int | None:
        """The number of axes; None if more may come before."""
        return None if self.open else len(self.axes)

    def place(self, dim: int) -> int | None:
        """Where in ``axes`` the one that is called ``dim`` stands; None if it is not known."""
        if dim >= 0 and self.open:
            return None
        found = dim if dim >= 0 else len(self.axes) + dim
        return found if 0 <= found < len(self.axes) else None

    def axis(self, dim: int) -> Axis:
        """The axis that is called ``dim``; an unknown one if it is not known."""
        place = self.place(dim)
        return Axis() if place is None else self.axes[place]

    def of_role(self, role: str) -> int | None:
        """The place of the only axis with that role."""
        found = [n for n, axis in enumerate(self.axes) if axis.role == role]
        return found[0] if len(found) == 1 else None

    def with_axis(self, place: int, axis: Axis) -> Layout:
        """This layout with another axis at a place."""
        return replace(self, axes=(*self.axes[:place], axis, *self.axes[place + 1 :]))

    def of_length(self, count: int) -> Layout:
        """This layout as one of exactly ``count`` axes; nothing is known if it has others."""
        missing = count - len(self.axes)
        if missing < 0 or (missing and not self.open):
            return unnamed(count)
        return Layout((*(Axis(),) * missing, *self.axes), open=False)

    def with_shape(self, shape: Shape) -> Layout:
        """This layout for a traced tensor; an axis of another size was another one."""
        axes = self.of_length(len(shape)).axes
        return Layout(tuple(map(_sized, axes, shape)), open=False)

    def forgetting(self, role: str) -> Layout:
        """This layout without the sizes of the axes with that role."""
        axes = (Axis(a.role) if a.role == role else a for a in self.axes)
        return replace(self, axes=tuple(axes))


NOTHING: Final = Layout()


def unnamed(count: int) -> Layout:
    """A layout of which only the number of axes is known."""
    return Layout((Axis(),) * count, open=False)


def _sized(axis: Axis, size: int) -> Axis:
    return Axis(axis.role if axis.size in (None, size) else "", size)


def product(axes: Iterable[Axis]) -> int | None:
    """The number of elements along all axes; None if a size is unknown."""
    sizes = [axis.size for axis in axes]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def merged(axes: tuple[Axis, ...]) -> Axis:
    """The one axis that several become."""
    real = [axis for axis in axes if axis.size != 1]
    if len(real) < 2:
        return real[0] if real else Axis(next((a.role for a in axes if a.role), ""), 1)
    roles = {axis.role for axis in real}
    if roles <= {POSITION, SEQUENCE}:
        return Axis(next(iter(roles)) if len(roles) == 1 else POSITION, product(axes))
    features = CHANNELS in roles and roles <= {CHANNELS, POSITION}
    return Axis(CHANNELS if features else "", product(axes))


def broadcast(one: Layout, other: Layout) -> Layout:
    """The layout of an element-wise operation on two tensors."""
    if one == other:
        return one
    if one.open or other.open:
        return NOTHING
    rank = max(len(one.axes), len(other.axes))
    pairs = zip(_padded(one, rank), _padded(other, rank), strict=True)
    return Layout(tuple(_common(a, b) for a, b in pairs), open=False)


def _padded(layout: Layout, rank: int) -> tuple[Axis, ...]:
    return (*(Axis("", 1),) * (rank - len(layout.axes)), *layout.axes)


def _common(a: Axis, b: Axis) -> Axis:
    if a.size == 1 or b.size == 1:
        longer = b if a.size == 1 else a
        return Axis(longer.role or a.role or b.role, longer.size)
    role = a.role if a.role == b.role else ""
    return Axis(role, a.size if a.size == b.size else None)
