"""Sizes of inputs that give a layer the size it asks for, found by trying many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bnlint.models.guessing.guess import Guess
from bnlint.tracing.fitting.size_question import IMAGE_SIDES, Axis, SizeOutcome, SizeQuestion
from bnlint.tracing.fitting.slots import slots_of, with_sizes

_LARGEST = 2048
_LONGEST = 1 << 17
"""Sides of images, and steps of signals, up to which a search goes."""

_RATIOS = ((2, 1), (1, 2), (1, 4), (4, 1), (3, 4), (4, 3))
"""Height to width of images that are not square."""


@dataclass(frozen=True, slots=True)
class _Searched:
    """The inputs that a search found, if any, and the side at which it ended."""

    guess: Guess | None
    side: int

    def guesses(self) -> Iterator[Guess]:
        if self.guess is not None:
            yield self.guess


@dataclass(frozen=True, slots=True)
class SizeSearch(SizeQuestion):
    """Searches for sizes of the inputs, where no formula gives them."""

    def found(self) -> Iterator[Guess]:
        """Those that a search over the sizes finds, which takes many forwards."""
        if self.demand.flat or self.trail.merged:
            yield from self._multiplied()
        if self.trail.merged and not self.trail.straight and len(self.trail.slots) == 1:
            yield from self._proportional()
        if not (self.demand.flat or self.trail.merged):
            yield from self._traded()
        sized = self.demand.flat or self.trail.merged or not self.demand.channels
        if sized and not self.is_whole():
            yield from self._spatial()

    def _proportional(self) -> Iterator[Guess]:
        """One axis longer or shorter by as much as the layer asks for, as behind a view."""
        for axis in self.sized_axes(sorted(self.trail.slots)):
            wanted, rest = divmod(self.size(axis) * self.demand.want, self.demand.got)
            if wanted and not rest:
                yield with_sizes(self.guess, {axis: wanted})

    def _traded(self) -> Iterator[Guess]:
        """Features that one input gets and another gives, since a layer before joins the two."""
        slots, more = slots_of(self.guess), self.demand.want - self.demand.got
        last = [
            (s, t.ndim - 1) for s, t in enumerate(slots) if t.ndim > 1 and t.is_floating_point()
        ]
        for one, other in itertools.permutations(last, 2):
            if one[0] in self.trail.straight and self.size(other) > more > -self.size(one):
                sizes = {one: self.size(one) + more, other: self.size(other) - more}
                yield with_sizes(self.guess, sizes)

    def _multiplied(self) -> Iterator[Guess]:
        """Two lengths whose product is flattened, as the model was built for them."""
        slots = slots_of(self.guess)
        axes = [(s, i) for s in sorted(self.trail.slots) for i in range(1, slots[s].ndim)]
        for one, other in itertools.combinations(axes, 2):
            product = self.size(one) * self.size(other) * self.demand.want / self.demand.got
            for number in self.stated:
                if product / number in self.stated:
                    yield with_sizes(self.guess, {one: number, other: int(product / number)})

    def _spatial(self) -> Iterator[Guess]:
        """Images, signals or sequences of another size."""
        slots = slots_of(self.guess)
        axes = self.sized_axes(sorted(self.trail.slots))
        if not axes:
            return
        if self._is_vain(axes):
            return
        signals = all(slots[slot].ndim == 3 for slot, _ in axes)
        square = self._searched([axes], (1, 1), _LONGEST if signals else _LARGEST)
        if square.guess is not None:
            yield square.guess
        elif all(slots[slot].ndim == 4 for slot, _ in axes):
            yield from self._oblong([axes[::2], axes[1::2]], square.side)

    def _is_vain(self, axes: list[Axis]) -> bool:
        """True if the size makes no difference to what the layer gets, or another input has it."""
        twice = with_sizes(self.guess, {axis: 2 * self.size(axis) for axis in axes})
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
        common = [size for size in IMAGE_SIDES if least <= size <= 1.3 * least]
        round_ones = [math.ceil(least / step) * step for step in (32, 16, 8, 4, 2)]
        fitting = (s for s in (*common, *round_ones) if self.outcome(sized(s)).fits)
        return next(fitting, least)
