"""The time that may be spent on guesses for one model, beside the runs that every model needs.

What a search costs is bound to what one run costs, so that a model that no guess fits takes a few
times as long as one that the first guess fits, and not a hundred times. It is the time of the
processor, so that a busy machine finds the same as an idle one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_SECONDS, _RUNS = 5.0, 2
"""What searches may take together, and how many times the first run is added to that."""


@dataclass(slots=True)
class SearchClock:
    """Shared by all searches for one model; it runs from the end of the first run on.

    The limit only ends searches early. ``cut`` is true if that happened: what was found until
    then holds, but that nothing else fits is not known.
    """

    seconds: float = _SECONDS
    end: float = math.inf
    cut: bool = False

    def start(self, first_run: float) -> None:
        """Start to count after a first run that took so many seconds; later calls do nothing."""
        if self.end == math.inf:
            self.end = time.process_time() + self.seconds + _RUNS * first_run

    def is_over(self) -> bool:
        """True if a search must end now, which is noted."""
        over = time.process_time() > self.end
        self.cut |= over
        return over

    def within(self, items: Iterable[T]) -> Iterator[T]:
        """The items, as long as there is time."""
        for item in items:
            if self.is_over():
                return
            yield item

    def for_next_model(self) -> SearchClock:
        """A new clock; with half the time if this one ran out, since models of a file are alike."""
        return SearchClock(self.seconds / 2 if self.cut else self.seconds)
