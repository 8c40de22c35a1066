"""Sizes of inputs that give a layer the size it asks for, found by trying."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bnlint.domain.graph import Shape
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.fitting.demand import OtherSize
from bnlint.tracing.fitting.slots import like, slots_of, with_sizes, with_slots
from bnlint.tracing.fitting.watching import Trail

_LARGEST = 2048
_RATIOS = ((2, 1), (1, 2), (1, 4), (4, 1), (3, 4), (4, 3))
"""Height to width of images that are not square."""

_COMMON = (224, 32, 28, 64, 256, 128, 96, 299, 84, 512)
"""Sizes of images, likeliest first."""

Axis = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SizeOutcome:
    """What changed inputs led to: the size that the layer got now, or that it did not fail.

    Neither if the forward failed before the layer. ``spent`` if it could not be run any more.
    """

    got: int | None = None
    fits: bool = False
    spent: bool = False


@dataclass(frozen=True, slots=True)
class _Searched:
    """The inputs that a search found, if any, and the side at which it ended."""

    guess: Guess | None
    side: int

    def guesses(self) -> Iterator[Guess]:
        if self.guess is not None:
            yield self.guess


@dataclass(frozen=True, slots=True)
class Sizes:
    """Searches the sizes of the inputs for those that satisfy one demand.

    ``stated`` are numbers that the model was built with.
    """

    guess: Guess
    trail: Trail
    demand: OtherSize
    outcome: Callable[[Guess], SizeOutcome]
    stated: Sequence[int] = ()

    def solutions(self) -> Iterator[Guess]:
        """Changed inputs that may satisfy the demand, likeliest first."""
        flattened = self._is_whole() and (self.demand.flat or self.trail.merged)
        maps = not self.demand.flat and self.demand.tensor.ndim > 3
        if flattened and not maps:
            yield from self._flattened()
        if not self.demand.channels:
            yield from self._scaled()
        yield from self._linear()
        if flattened and maps:
            yield from self._flattened()

    def searched(self) -> Iterator[Guess]:
        """Those that a search over the sizes finds, which takes many forwards."""
        if self.demand.flat or self.trail.merged:
            yield from self._multiplied()
        sized = self.demand.flat or self.trail.merged or not self.demand.channels
        if sized and not self._is_whole():
            yield from self._spatial()

    def _multiplied(self) -> Iterator[Guess]:
        """Two lengths whose product is flattened, as the model was built for them."""
        slots = slots_of(self.guess)
        axes = [(s, i) for s in sorted(self.trail.slots) for i in range(1, slots[s].ndim)]
        for one, other in itertools.combinations(axes, 2):
            product = self._size(one) * self._size(other) * self.demand.want / self.demand.got
            for number in self.stated:
                if product / number in self.stated:
                    yield with_sizes(self.guess, {one: number, other: int(product / number)})

    def _is_whole(self) -> bool:
        """True if no layer with weights lies between the inputs and the tensor."""
        return self.trail.straight == self.trail.slots

    def _axes(self) -> Iterator[Axis]:
        """The axes of the inputs in question; that of the batch last."""
        slots = slots_of(self.guess)
        own = [(slot, slots[slot].ndim) for slot in sorted(self.trail.straight, reverse=True)]
        yield from ((slot, axis) for slot, rank in own for axis in range(1, rank))
        yield from ((slot, 0) for slot, rank in own if rank)

    def _size(self, axis: Axis) -> int:
        return int(slots_of(self.guess)[axis[0]].shape[axis[1]])

    def _linear(self) -> Iterator[Guess]:
        """One axis that the size depends on linearly: equal to it, or joined with others."""
        joined: list[Axis] = []
        for axis in self._axes():
            size, got = self._size(axis), self.demand.got
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
            size = self._size((straight[0], axis))
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
        same = [o for o in others if self._size(o) == wanted and o != axis]
        sizes = {axis: wanted} | ({same[0]: self._size(axis)} if len(same) == 1 else {})
        return with_sizes(self.guess, sizes)

    def _shared(self, joined: list[Axis]) -> Iterator[Guess]:
        """Channels of several inputs that are joined: an image and a mask, or equal shares."""
        want, count = self.demand.want, len(joined)
        rest = self.demand.got - sum(map(self._size, joined))
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
            axes = self._sized_axes(some)
            sizes = {axis: self._size(axis) * want / got for axis in axes} if got else {}
            if sizes and all(size == int(size) and size > 0 for size in sizes.values()):
                yield with_sizes(self.guess, {axis: int(size) for axis, size in sizes.items()})
        yield from self._equal()

    def _equal(self) -> Iterator[Guess]:
        """Inputs with the wanted size on an axis that has the one which arrives: a length."""
        for slot in sorted(self.trail.slots):
            for axis in range(1, slots_of(self.guess)[slot].ndim):
                if self._size((slot, axis)) == self.demand.got:
                    yield with_sizes(self.guess, {(slot, axis): self.demand.want})

    def _sized_axes(self, slots: Iterable[int]) -> list[Axis]:
        """The axes of images, signals or sequences that may have any size."""
        ranks = {slot: slots_of(self.guess)[slot].ndim for slot in slots}
        return [(s, i) for s, rank in ranks.items() for i in range(min(2, rank - 1), rank) if i]

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

    def _spatial(self) -> Iterator[Guess]:
        """Images, signals or sequences of another size."""
        slots = slots_of(self.guess)
        axes = self._sized_axes(sorted(self.trail.slots))
        if not axes:
            return
        if self._is_vain(axes):
            return
        square = self._searched([axes], (1, 1), _LARGEST)
        if square.guess is not None:
            yield square.guess
        elif all(slots[slot].ndim == 4 for slot, _ in axes):
            yield from self._oblong([axes[::2], axes[1::2]], square.side)

    def _is_vain(self, axes: list[Axis]) -> bool:
        """True if the size makes no difference to what the layer gets, or another input has it."""
        twice = with_sizes(self.guess, {axis: 2 * self._size(axis) for axis in axes})
        outcome = self.outcome(twice)
        tied = len({slot for slot, _ in axes}) < len(slots_of(self.guess))
        return outcome.got == self.demand.got or (tied and outcome == SizeOutcome())

    def _oblong(self, axes: list[list[Axis]], side: int) -> Iterator[Guess]:
        """Images that are not square: of common ratios, or one row or column of features."""
        for ratio in _RATIOS[:2]:
            yield from self._searched(axes, ratio, 4 * side).guesses()
        for narrow, wide in (axes, axes[::-1]):
            low = self._least(narrow, side)
            if low is not None:
                row = with_sizes(self.guess, dict.fromkeys(narrow, low))
                yield from replace(self, guess=row)._searched([wide], (1, 1), _LARGEST).guesses()
        for ratio in _RATIOS[2:]:
            yield from self._searched(axes, ratio, 4 * side).guesses()

    def _least(self, axes: list[Axis], side: int) -> int | None:
        """The smallest size of these axes with which the layer is reached."""
        low, high = 1, side
        while low < high:
            middle = (low + high) // 2
            outcome = self.outcome(with_sizes(self.guess, dict.fromkeys(axes, middle)))
            reached = outcome.fits or outcome.got is not None
            low, high = (low, middle) if reached else (middle + 1, high)
        return low if low < side else None

    def _searched(self, axes: list[list[Axis]], ratio: tuple[int, int], high: int) -> _Searched:
        """The size at which the demand is met, by bisection, since more input gives more output."""
        unit = max(ratio)

        def sized(side: int) -> Guess:
            parts = zip(axes, ratio, strict=False)
            return with_sizes(self.guess, {a: side * n // unit for part, n in parts for a in part})

        low = max(2, unit)
        while low < high:
            middle = (low + high) // 2
            outcome = self.outcome(sized(middle))
            if outcome.spent:
                return _Searched(None, low)
            if outcome.fits or (outcome.got or 0) >= self.demand.want:
                high = middle
            else:
                low = middle + 1
        if not self.outcome(sized(low)).fits:
            return _Searched(None, low)
        return _Searched(sized(self._rounded(low, sized)), low)

    def _rounded(self, least: int, sized: Callable[[int], Guess]) -> int:
        """The most common of the sizes that do, or the roundest."""
        common = [size for size in _COMMON if least <= size <= 1.3 * least]
        round_ones = [math.ceil(least / step) * step for step in (32, 16, 8, 4, 2)]
        fitting = (s for s in (*common, *round_ones) if self.outcome(sized(s)).fits)
        return next(fitting, least)


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
        sides = sorted(side for side in _COMMON if side > max(sizes.values(), default=0))
        yield from (with_sizes(guess, dict.fromkeys(axes, side)) for side in sides[:3])
    for factor in (2, 8, 64):
        if axes:
            yield with_sizes(guess, {a: min(factor * s, 1 << 15) for a, s in sizes.items()})
