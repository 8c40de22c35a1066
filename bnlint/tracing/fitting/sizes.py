"""Sizes of inputs that give a layer the size it asks for, computed from what it got."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.domain.graph import Shape
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.fitting.size_question import IMAGE_SIDES, Axis, SizeQuestion
from bnlint.tracing.fitting.slots import like, slots_of, with_sizes, with_slots
from bnlint.tracing.fitting.watching import Trail


@dataclass(frozen=True, slots=True)
class Sizes(SizeQuestion):
    """Computes sizes of the inputs that may satisfy the demand."""

    def solutions(self) -> Iterator[Guess]:
        """Changed inputs that may satisfy the demand, likeliest first."""
        flattened = self.is_whole() and (self.demand.flat or self.trail.merged)
        maps = not self.demand.flat and self.demand.tensor.ndim > 3
        if flattened and not maps:
            yield from self._flattened()
        if not self.demand.channels:
            yield from self._scaled()
            yield from self._whole_samples()
        yield from self._linear()
        if self._reads_steps():
            yield from self._equal()
        if flattened and maps:
            yield from self._flattened()

    def _reads_steps(self) -> bool:
        """True if a layer reads as its features what was an axis of steps before a transpose.

        If another axis has the size that it asks for, the transpose may as well be wrong.
        """
        return self.trail.turned and self.demand.want not in self.demand.tensor.shape

    def _axes(self) -> Iterator[Axis]:
        """The axes of the inputs in question; that of the batch last."""
        slots = slots_of(self.guess)
        own = [(slot, slots[slot].ndim) for slot in sorted(self.trail.straight, reverse=True)]
        yield from ((slot, axis) for slot, rank in own for axis in range(1, rank))
        yield from ((slot, 0) for slot, rank in own if rank)

    def _linear(self) -> Iterator[Guess]:
        """One axis that the size depends on linearly: equal to it, or joined with others."""
        joined: list[Axis] = []
        for axis in self._axes():
            size, got = self.size(axis), self.demand.got
            for other in (size + 1, 2 * size):
                changed = with_sizes(self.guess, {axis: other})
                outcome = self.outcome(changed)
                if outcome.fits:
                    yield changed
                if outcome.got is not None:
                    break
            if outcome.got is None or outcome.got == got:
                continue
            slope = (outcome.got - got) / (other - size)
            wanted = size + (self.demand.want - got) / slope
            if wanted == int(wanted) and 0 < wanted <= 1 << 20:
                yield self._swapped(axis, int(wanted))
            elif slope == 1:
                joined.append(axis)
        yield from self._shared(joined)
        yield from self._alike()

    def _alike(self) -> Iterator[Guess]:
        """Inputs of one shape changed alike: two clouds of points that are padded and joined."""
        slots, straight = slots_of(self.guess), sorted(self.trail.straight)
        if len(straight) < 2 or len({slots[slot].shape for slot in straight}) > 1:
            return
        for axis in range(1, slots[straight[0]].ndim):
            size = self.size((straight[0], axis))
            larger_ones = dict.fromkeys(((slot, axis) for slot in straight), size + 1)
            got = self.outcome(with_sizes(self.guess, larger_ones)).got
            if got is None or got == self.demand.got:
                continue
            wanted = size + (self.demand.want - self.demand.got) / (got - self.demand.got)
            if wanted == int(wanted) and 0 < wanted <= 1 << 20:
                yield with_sizes(self.guess, dict.fromkeys(larger_ones, int(wanted)))

    def _swapped(self, axis: Axis, wanted: int) -> Guess:
        """The size at this axis; another axis of the same tensor that has it gets the old size."""
        slot = axis[0]
        others = ((slot, i) for i in range(1, slots_of(self.guess)[slot].ndim))
        same = [o for o in others if self.size(o) == wanted and o != axis]
        sizes = {axis: wanted} | ({same[0]: self.size(axis)} if len(same) == 1 else {})
        return with_sizes(self.guess, sizes)

    def _shared(self, joined: list[Axis]) -> Iterator[Guess]:
        """Channels of several inputs that are joined: an image and a mask, or equal shares."""
        want, count = self.demand.want, len(joined)
        rest = self.demand.got - sum(map(self.size, joined))
        want -= rest
        if count < 2 or want < count:
            return
        axes = sorted(joined)
        images = [axis for axis in axes if slots_of(self.guess)[axis[0]].ndim > 3]
        if count == 2 and want > 3 and (len(images) == 1 or (images and want < 6)):
            other = next(axis for axis in axes if axis != images[0])
            yield with_sizes(self.guess, {images[0]: 3, other: want - 3})
        share = want // count
        equal = dict.fromkeys(axes, share)
        yield with_sizes(self.guess, equal | {axes[0]: want - share * (count - 1)})

    def _scaled(self) -> Iterator[Guess]:
        """Inputs with all their sizes larger or smaller, if another tensor is the measure."""
        want, got = self.demand.want, self.demand.got
        slots = sorted(self.trail.slots)
        together = [slots] if len(slots) > 1 else []  # a level of a pyramid may have two inputs
        for some in (*([slot] for slot in slots), *together):
            for axes in (self.sized_axes(some), self._of_frames(some)):
                sizes = {axis: self.size(axis) * want / got for axis in axes} if got else {}
                if sizes and all(size == int(size) and size > 0 for size in sizes.values()):
                    yield with_sizes(self.guess, {axis: int(size) for axis, size in sizes.items()})
        yield from self._equal()

    def _of_frames(self, some: list[int]) -> list[Axis]:
        """The height and width of videos, whose frames may be as many as before."""
        videos = [slot for slot in some if slots_of(self.guess)[slot].ndim == 5]
        return [(slot, axis) for slot in videos for axis in (3, 4)]

    def _whole_samples(self) -> Iterator[Guess]:
        """Inputs of which ``x.view(-1, 3, 16, 16)`` makes as many samples as there were."""
        times, rest = divmod(self.demand.got, self.demand.want)
        if rest or times < 2:
            return
        for slot in sorted(self.trail.slots):
            of_samples = self.size((slot, 0)) == self.demand.want
            axes = self.sized_axes([slot]) if of_samples else []
            part = round(times ** (1 / len(axes))) if axes else 0
            sizes = {axis: self.size(axis) // part for axis in axes if self.size(axis) % part == 0}
            if part ** len(axes) == times and len(sizes) == len(axes):
                yield with_sizes(self.guess, sizes)

    def _equal(self) -> Iterator[Guess]:
        """Inputs with the wanted size on an axis that has the one which arrives: a length."""
        for slot in sorted(self.trail.slots):
            for axis in range(1, slots_of(self.guess)[slot].ndim):
                if self.size((slot, axis)) == self.demand.got:
                    yield with_sizes(self.guess, {(slot, axis): self.demand.want})

    def _flattened(self) -> Iterator[Guess]:
        """Inputs with so many values: rows of features, or square images."""
        want, slots = self.demand.want, slots_of(self.guess)
        for slot in sorted(self.trail.slots):
            tensor = slots[slot]
            batch = tensor.shape[0] if tensor.ndim else 2
            shapes: list[Shape] = [(batch, want)]
            for channels in (1, 3):
                side = math.isqrt(want // channels)
                if side > 3 and channels * side * side == want:
                    shapes.append((batch, channels, side, side))
            shapes.sort(key=lambda shape: len(shape) != tensor.ndim)
            yield from (with_slots(self.guess, {slot: like(tensor, s)}) for s in shapes)


def larger(guess: Guess, trail: Trail) -> Iterator[Guess]:
    """Inputs of which all axes but the batch and the channels are larger."""
    slots = slots_of(guess)
    axes = [
        (slot, axis)
        for slot in sorted(trail.slots)
        for axis in range(max(1, min(2, slots[slot].ndim - 1)), slots[slot].ndim)
    ]
    sizes = {(slot, axis): slots[slot].shape[axis] for slot, axis in axes}
    if all(slots[slot].ndim == 4 for slot, _ in axes):  # the next larger images first
        sides = sorted(side for side in IMAGE_SIDES if side > max(sizes.values(), default=0))
        yield from (with_sizes(guess, dict.fromkeys(axes, side)) for side in sides[:3])
    for factor in (2, 8, 64):
        if axes:
            yield with_sizes(guess, {a: min(factor * s, 1 << 15) for a, s in sizes.items()})
