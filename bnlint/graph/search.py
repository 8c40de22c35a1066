"""Set searches through gaps: every op is visited once, however many paths lead there."""

from __future__ import annotations

from collections.abc import Sequence

Neighbours = Sequence[Sequence[int]]


class Search:
    """Searches through one kind of gap in one direction; remembers what each start met.

    ``beside`` holds the neighbours of each position, ``set_of`` the number of its set of tags, and
    ``mask`` which of these sets may lie in the gap. ``steps`` counts the ops visited.
    """

    def __init__(self, beside: Neighbours, set_of: Sequence[int], mask: Sequence[bool]) -> None:
        self.steps = 0
        self._beside = beside
        self._set_of = set_of
        self._mask = mask
        self._known: dict[int, Sequence[int]] = {}

    def met(self, start: int) -> Sequence[int]:
        """Every position met from ``start`` through the gap, walked ones too, in order."""
        near = self._beside[start]
        if not near or (len(near) == 1 and not self._mask[self._set_of[near[0]]]):
            self.steps += len(near)
            return near
        if start not in self._known:
            self._known[start] = sorted(self._walk(start))
        return self._known[start]

    def beyond(self, start: int) -> list[int]:
        """The positions met that do not belong to the gap themselves."""
        return [n for n in self.met(start) if not self._mask[self._set_of[n]]]

    def _walk(self, start: int) -> set[int]:
        seen: set[int] = set()
        todo = [start]
        while todo:
            for other in self._beside[todo.pop()]:
                if other not in seen:
                    seen.add(other)
                    if self._mask[self._set_of[other]]:
                        todo.append(other)
        self.steps += len(seen)
        return seen


class Neighbouring(Search):
    """No gap at all: what is met are the neighbours."""

    def met(self, start: int) -> Sequence[int]:
        """The neighbours, each once, in order."""
        near = self._beside[start]
        self.steps += len(near)
        return near if len(near) < 2 else sorted(set(near))
