"""A model built again with other guessed arguments, until its forward runs.

Each try costs one forward on meta, with its inputs fitted. An argument that gets the forward
further is kept, and the next error says what to change then.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

from bnlint.layers.table import Table
from bnlint.models.guessing.arguments.refitting import alternatives
from bnlint.models.guessing.arguments.switches import missed_attribute, switched
from bnlint.models.guessing.guess import Guess, Guesses
from bnlint.models.workshop import Built
from bnlint.tracing.bare import Lazies, in_training, on_meta
from bnlint.tracing.fitting.complaints import needs_values
from bnlint.tracing.fitting.fit import Fitter
from bnlint.tracing.fitting.watching import Attempt
from bnlint.tracing.reasons import by_message
from bnlint.tracing.search_clock import SearchClock

_TRIES = 48
"""Calls that are tried for one model."""

_STARTS = 2
"""Guesses of the inputs that are tried for each."""

_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a forward got: the step that failed (the highest if none did), and why it did."""

    step: int
    said: str = ""

    @property
    def passes(self) -> bool:
        """True if nothing failed."""
        return not self.said

    def is_past(self, other: Reached) -> bool:
        """True if it got further: the expression that failed may read several attributes."""
        missed = missed_attribute(self.said)
        return self.step > other.step or (
            self.step == other.step and missed not in (None, missed_attribute(other.said))
        )


@dataclass(slots=True)
class Rebuilder:
    """Looks for the arguments of one model; ``rebuild`` makes it with those of a guess."""

    rebuild: Callable[[Built, Guess], Built | None]
    inputs: Callable[[Built], Guesses]
    table: Table
    clock: SearchClock = field(default_factory=lambda: SearchClock(_SECONDS))
    tried: set[str] = field(default_factory=set)

    def fitting(self, first: Built) -> Built | None:
        """The model whose forward runs; None if no arguments were found for it."""
        self.clock.start(0.0)
        best, reached = first, self._reached(first)
        while not reached.passes:
            further = self._further(best, reached)
            if further is None:
                return None
            best, reached = further
        return best

    def _further(self, best: Built, reached: Reached) -> tuple[Built, Reached] | None:
        """The first model whose forward gets further than that of ``best``."""
        if best.guess is None:
            return None
        names = [p.name for p in best.maker.parameters] if best.maker else ()
        others = chain(
            switched(best.guess, names, best.model, reached.said),
            alternatives(best.guess, by_message(reached.said).conflict),
        )
        for guess in others:
            if len(self.tried) >= _TRIES or self.clock.is_over():
                return None
            if guess.key() in self.tried:
                continue
            self.tried.add(guess.key())
            built = self.rebuild(best, guess)
            now = self._reached(built) if built is not None else reached
            if built is not None and now.is_past(reached):
                return built, now
        return None

    def _reached(self, built: Built) -> Reached:
        """How far the forward gets with the best of the inputs."""
        model = on_meta(built.model)
        lazies = Lazies(model)
        best = Reached(-1, "no input is known")
        with in_training(model), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for start in self.inputs(built).candidates[:_STARTS]:
                fitter = Fitter(model, self.table, lazies.restore, self.clock)
                seen = _judged(fitter.furthest(start))
                best = max(best, seen, key=lambda reached: reached.step)
                if best.passes:
                    break
        lazies.restore()
        return best


def _judged(seen: Attempt) -> Reached:
    fault = next((f for f in seen.faults if not needs_values(f.text)), None)
    if fault is None:
        return Reached(1 << 30)
    return Reached(fault.step, fault.text or type(fault.error).__name__)
