"""The inputs that are tried on one model, one after the other."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from bnlint.layers.table import Table
from bnlint.loading.missing.stubs import StubUsed
from bnlint.models.guessing.guess import Guess, Guesses
from bnlint.tracing.believing.variations import changed, shapes_of
from bnlint.tracing.fitting.fit import Fitter
from bnlint.tracing.fitting.slots import slots_of
from bnlint.tracing.fitting.watching import Attempt
from bnlint.tracing.noticing.noticed_forward import noticed_guesses
from bnlint.tracing.search_clock import SearchClock
from bnlint.tracing.tracers import Refused

_BATCHES = re.compile(r"\bbatch(es|[ _-]sizes?)\b", re.IGNORECASE)
"""What errors say of a batch of several samples, which they want one by one."""

_STARTS = 3
"""Guesses of other ranks or types that are fitted."""


@dataclass(slots=True)
class Candidates:
    """The given inputs; if they were guessed, also those that errors and the forward ask for.

    ``refusals`` are those of the tracers up to now; ``prepare`` is called before each forward.
    What was found once is kept.
    """

    model: nn.Module
    table: Table
    inputs: Guesses
    prepare: Callable[[], None]
    clock: SearchClock
    refusals: list[tuple[str, Refused]] = field(default_factory=list)
    _single: Guess | None = None
    _fitted: tuple[Guess, ...] | None = None
    _passing: Guess | None = None

    @property
    def guessed(self) -> bool:
        """True if nobody stated the inputs."""
        return self.inputs.source == "inferred"

    def each(self) -> Iterator[Guess]:
        """After the first guess, one that an error asks for, then those fitted to the forward."""
        began = time.process_time()
        yield from self.inputs.candidates[:1]
        self.clock.start(time.process_time() - began)
        if self.guessed and self.inputs.candidates and not self._lacks_a_package():
            told = [self.inputs.candidates[0], *self._of_one_sample()]
            yield from told[1:]
            others = (each for each in self._changed() if not any(each is known for known in told))
            yield from self.clock.within(others)

    def known_to_pass(self, lacking: bool) -> Guess | None:
        """The fitted inputs with which the forward ran to its end.

        With inputs that are None by default only if some were ``lacking``.
        """
        found = self._passing
        return found if found is None or lacking or not found.optional else None

    def _of_one_sample(self) -> list[Guess]:
        """The first guess with one sample, where an error says that a batch is at fault."""
        if self._single is None and any(_BATCHES.search(each.reason) for _, each in self.refusals):
            first, *others = self.inputs.candidates
            one = [(1, *shape[1:]) for shape in shapes_of(first) if shape]
            known = (each for each in others if [*shapes_of(each)] == one)
            sized = changed(first, lambda _, shape: (1, *shape[1:]) if shape else shape)
            self._single = next(known, sized)
        return [] if self._single is None else [self._single]

    def _lacks_a_package(self) -> bool:
        """True if a forward ended at a package that is not installed: no input fixes that."""
        return any(refused.reason.startswith(StubUsed.__name__) for _, refused in self.refusals)

    def _changed(self) -> tuple[Guess, ...]:
        """The inputs that were changed to fit; those noticed first, if they get further."""
        if self._fitted is None:
            found = self._fit(self.inputs.candidates)
            self._fitted = found.guesses
            if found.ended:
                noticed = self._fit(
                    noticed_guesses(self.model, self.table, self.prepare, self.clock)
                )
                if found.is_behind(noticed):
                    found, self._fitted = noticed, (*noticed.guesses, *found.guesses)
            self._passing = found.guesses[0] if found.passed else None
        return self._fitted

    def _fit(self, guesses: tuple[Guess, ...]) -> Fit:
        return fitted(self.model, self.table, guesses, self.prepare, self.clock)


@dataclass(frozen=True, slots=True)
class Fit:
    """Guesses that were fitted.

    ``steps`` are those before the first failure; ``ended`` is true if each ended the forward,
    ``passed`` if one ran through.
    """

    guesses: tuple[Guess, ...]
    steps: int = 0
    ended: bool = False
    passed: bool = False

    def is_behind(self, other: Fit) -> bool:
        """True if the other one got further."""
        return (other.passed, other.steps) > (self.passed, self.steps)


def fitted(
    model: nn.Module,
    table: Table,
    guesses: Sequence[Guess],
    prepare: Callable[[], None],
    clock: SearchClock,
) -> Fit:
    """Guesses changed until the forward passes, else those that get furthest.

    The first guess of each rank and layout is a start. The one that got furthest comes in several
    sizes; of the others, a size more would tell no more. If all end early, the guesses themselves
    follow. ``prepare`` is called before each forward.
    """
    starts = {_layout(guess): guess for guess in reversed(guesses)}
    plain = [g for g in reversed(starts.values()) if not g.optional]
    more = [g for g in reversed(starts.values()) if g.optional]
    failing: list[_Unfit] = []
    ended: list[_Unfit] = []
    for start in clock.within([*plain[:_STARTS], *more[:_STARTS]]):
        fitter = Fitter(model, table, prepare, clock)
        reached = fitter.furthest(start)
        if fitter.passed:
            return Fit((reached.guess,), passed=True)
        (ended if fitter.ended else failing).append(_Unfit(fitter, reached))
    found = _with_variants(failing or ended)
    steps = max((each.fitter.steps for each in (*failing, *ended)), default=0)
    if failing:
        return Fit((*found, *(each.reached.guess for each in ended)), steps)
    return Fit((*found, *guesses[1:]), steps, ended=True)


def _layout(guess: Guess) -> tuple[bool, tuple[tuple[int, torch.dtype], ...]]:
    return guess.channels_last, tuple((t.ndim, t.dtype) for t in slots_of(guess))


@dataclass(frozen=True, slots=True)
class _Unfit:
    """A start that was changed, and still fails."""

    fitter: Fitter
    reached: Attempt


def _with_variants(unfit: Sequence[_Unfit]) -> Iterator[Guess]:
    """The inputs of each start; those that got furthest are followed by others of other sizes."""
    best = max(unfit, key=lambda each: each.fitter.steps, default=None)
    for each in unfit:
        yield each.reached.guess
        if each is best:
            yield from each.fitter.variants(each.reached)
