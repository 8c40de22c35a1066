"""What is asked of the sizes of some inputs: that a layer which failed gets another size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bnlint.models.guessing.guess import Guess
from bnlint.tracing.fitting.demand import OtherSize
from bnlint.tracing.fitting.slots import slots_of
from bnlint.tracing.fitting.watching import Trail

Axis = tuple[int, int]
"""The number of an input and that of one of its axes."""

IMAGE_SIDES = (224, 32, 28, 64, 256, 128, 96, 299, 84, 512)
"""Sizes of images, likeliest first."""


@dataclass(frozen=True, slots=True)
class SizeOutcome:
    """What changed inputs led to: the size that the layer got now, or that it did not fail.

    Neither if the forward failed before the layer. ``spent`` if it could not be run any more.
    """

    got: int | None = None
    fits: bool = False
    spent: bool = False


@dataclass(frozen=True, slots=True)
class SizeQuestion:
    """One demand on the sizes of the inputs, and how to see what other sizes lead to.

    ``stated`` are numbers that the model was built with.
    """

    guess: Guess
    trail: Trail
    demand: OtherSize
    outcome: Callable[[Guess], SizeOutcome]
    stated: Sequence[int] = ()

    def is_whole(self) -> bool:
        """True if no layer with weights lies between the inputs and the tensor."""
        return self.trail.straight == self.trail.slots

    def size(self, axis: Axis) -> int:
        """The size of an axis of the guessed inputs."""
        return int(slots_of(self.guess)[axis[0]].shape[axis[1]])

    def sized_axes(self, slots: Iterable[int]) -> list[Axis]:
        """The axes of images, signals or sequences that may have any size."""
        ranks = {slot: slots_of(self.guess)[slot].ndim for slot in slots}
        return [(s, i) for s, rank in ranks.items() for i in range(min(2, rank - 1), rank) if i]
