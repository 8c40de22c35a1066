"""The calls of a maker that are tried: as they are, then as their errors ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import nn

from bnlint.models.guessing.arguments.amending import amended
from bnlint.models.guessing.arguments.knowledge import Lacking
from bnlint.models.guessing.arguments.missing_arguments import with_what_is_missing
from bnlint.models.guessing.arguments.of_constructor import CallEvidence, find_calls
from bnlint.models.guessing.arguments.other_defaults import with_another_default
from bnlint.models.guessing.arguments.other_words import with_other_words
from bnlint.models.guessing.guess import Guess
from bnlint.models.lexicon import PROFILES
from bnlint.models.survey import Maker

_ATTEMPTS, _AMENDMENTS = 24, 8
"""Calls that are tried for one maker, and for one guess of its arguments."""

_SECONDS = 5
"""The time of the processor after which no other call is tried for a maker."""

Attempt = Callable[[Guess], nn.Module | BaseException]
"""Makes a call: the model, or what the call raised."""

Tried = tuple[Guess | Lacking, nn.Module | BaseException]
"""A call, or why there is none, and what became of it."""


def tries(maker: Maker, evidence: CallEvidence, attempt: Attempt) -> Iterator[Tried]:
    """Each call that is tried with what became of it; a guess is amended a few times.

    Other defaults and words come last: what is written somewhere says more.
    """
    work = _Tries(maker, evidence, attempt)
    failed: list[tuple[Guess, BaseException]] = []
    for first in find_calls(maker, evidence):
        last: Tried | None = None
        for last in work.amendments(first):
            yield last
        if last and isinstance(last[0], Guess) and isinstance(last[1], BaseException):
            failed.append((last[0], last[1]))
    for guess, error in failed:
        yield from work.amendments(work.with_another_default(guess, error), defaults=True)
    for guess, _ in failed if not work.built else ():
        for other in work.with_other_words(guess):
            yield from work.amendments(other)


@dataclass(slots=True)
class _Tries:
    """Knows which calls were tried, and when it is enough."""

    maker: Maker
    evidence: CallEvidence
    attempt: Attempt
    tried: set[str] = field(default_factory=set)
    built: bool = False
    end: float = field(default_factory=lambda: time.process_time() + _SECONDS)

    def amendments(
        self, guess: Guess | Lacking | None, *, defaults: bool = False
    ) -> Iterator[Tried]:
        """A call and those that its errors ask for, until one works."""
        for _ in range(_AMENDMENTS):
            if guess is None or len(self.tried) >= _ATTEMPTS or time.process_time() > self.end:
                return
            if isinstance(guess, Lacking):
                yield guess, LookupError(guess.parameter)
                return
            self.tried.add(guess.key())
            found = self.attempt(guess)
            yield guess, found
            if isinstance(found, nn.Module):
                self.built = True
                return
            guess = self._amended(guess, found, defaults)

    def _amended(self, guess: Guess, error: BaseException, defaults: bool) -> Guess | None:
        more = with_what_is_missing(guess, error, self.maker, self.evidence)
        more = more or amended(guess, error, self.tried)
        return more or (self.with_another_default(guess, error) if defaults else None)

    def with_another_default(self, guess: Guess, error: BaseException) -> Guess | None:
        """The call with another value for an argument whose default failed."""
        return with_another_default(guess, error, self.maker, self.tried)

    def with_other_words(self, guess: Guess) -> Iterator[Guess]:
        """The call with other words for its arguments, until one of them works."""
        uses = self.evidence.knowledge(self.maker, PROFILES[0]).uses
        for other in with_other_words(guess, self.maker, uses):
            if not self.built and other.key() not in self.tried:
                yield other
