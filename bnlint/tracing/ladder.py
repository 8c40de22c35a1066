"""The ladder: tracers in the order in which they are tried, and the most complete record.

Symbolic tracing comes first, since it needs no input and is cheapest. If it cannot trace the whole
model, or its record fails on the inputs, the forward is run and recorded, and fx traces with
concrete shapes; in eval mode last, for models that need targets in training.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

from bnlint.domain.graph import Inputs
from bnlint.layers.table import Table, is_leaf
from bnlint.models.guessing.guess import NONE, Guess, Guesses
from bnlint.models.guessing.guess import describe as describe_inputs
from bnlint.tracing.bare import Lazies
from bnlint.tracing.belief import Run, believable, failed, forget_others, look_at, sift
from bnlint.tracing.shapes import clear_values, run_on_meta
from bnlint.tracing.tracers import Record, Refused, Tracer
from bnlint.tracing.tracers.concrete import trace_concretely
from bnlint.tracing.tracers.recorded import record_forward
from bnlint.tracing.tracers.symbolic import trace_symbolically


class Needs(enum.Enum):
    """What a tracer needs to know about a call of the model."""

    NAMES = "which arguments there are; their shapes are filled in afterwards"
    SHAPES = "arguments on meta"


@dataclass(frozen=True, slots=True)
class Rung:
    """A tracer with what it needs; those with ``in_eval`` are tried in both modes."""

    trace: Tracer
    needs: Needs
    in_eval: bool = False


LADDER = [
    Rung(trace_symbolically, Needs.NAMES),
    Rung(record_forward, Needs.SHAPES, in_eval=True),
    Rung(trace_concretely, Needs.SHAPES),
]
"""The tracers in order of preference; the first that traces the whole model wins."""


@dataclass(slots=True)
class Climb:
    """The most complete record, the inputs it ran with, and the reasons of tracers that refused.

    ``training`` is false if only the eval mode could be traced.
    """

    record: Record
    inputs: Guesses = NONE
    refusals: list[tuple[str, Refused]] = field(default_factory=list)
    training: bool = True

    @property
    def complete(self) -> bool:
        """True if the whole model was traced."""
        return self.record.complete

    def described_inputs(self) -> Inputs:
        """The inputs as plain data."""
        if not self.inputs.candidates:
            return Inputs()
        return describe_inputs(self.inputs.candidates[0])


def climb(model: nn.Module, table: Table, inputs: Guesses) -> Climb:
    """The most complete record of ``model`` in its current mode, else in eval mode."""
    climber = _Climber(model, table, inputs, Lazies(model))
    return climber.without_inputs() or climber.with_inputs()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one tracer recorded of one call."""

    record: Record
    candidate: Guess
    training: bool


@dataclass(slots=True)
class _Climber:
    """Tries the tracers on one model; keeps the refusals and the best record without inputs."""

    model: nn.Module
    table: Table
    inputs: Guesses
    lazies: Lazies
    refusals: list[tuple[str, Refused]] = field(default_factory=list)
    unfed: Record = field(default_factory=lambda: Record(""))

    def without_inputs(self) -> Climb | None:
        """The first complete record of a tracer that needs no inputs, with shapes filled in."""
        call = next(iter(self.inputs.candidates), Guess())
        records: list[Record] = []
        for rung in (r for r in LADDER if r.needs is Needs.NAMES):
            records.append(record := rung.trace(self.model, self.table, call))
            self._note_refusals(record)
            if record.complete:
                return self._second_look(record, self._fill_shapes(record))
        self.unfed = max(records, key=self._seen, default=self.unfed)
        return None

    def with_inputs(self) -> Climb:
        """The best record of the tracers that need inputs and of those that were tried before."""
        best = self._best_attempt()
        if best is None:
            return Climb(self.unfed, NONE, self.refusals)
        if best.record.complete or self._seen(best.record) > self._seen(self.unfed):
            given = Guesses((best.candidate,))
            return Climb(best.record, given, self.refusals, best.training)
        return Climb(self.unfed, self._fill_shapes(self.unfed), self.refusals)

    def _best_attempt(self) -> _Attempt | None:
        inferred = self.inputs.source == "inferred"
        best: _Attempt | None = None
        doubtful: list[_Attempt] = []
        for attempt in self._attempts():
            self._note_refusals(attempt.record)
            if best is None or self._seen(attempt.record) > self._seen(best.record):
                best = attempt
            if attempt.record.complete:
                if not inferred or not failed(attempt.record):
                    return attempt
                doubtful.append(attempt)
        if doubtful:
            best = self._least_doubtful(doubtful)
        self.lazies.restore()  # what they hold now may come from another attempt
        if best and inferred and not best.record.complete:
            forget_others(best.record, frozenset())
        return best

    def _least_doubtful(self, attempts: list[_Attempt]) -> _Attempt:
        """The attempt to keep if guessed inputs ran, but failed in some layers."""
        first = attempts[0]
        of_one = [a for a in attempts if a.record.tracer == first.record.tracer]
        of_one = [a for a in of_one if a.training == first.training]
        return of_one[sift([(a.record, a.candidate) for a in of_one], self.table)]

    def _attempts(self) -> Iterator[_Attempt]:
        """The records of the tracers that need inputs, in order of preference."""
        rungs = [r for r in LADDER if r.needs is not Needs.NAMES]
        mode = self.model.training
        yield from self._in_mode(rungs, mode)
        if not mode:
            return
        self.model.eval()
        try:
            yield from self._in_mode([r for r in rungs if r.in_eval], False)
        finally:
            self.model.train()

    def _in_mode(self, rungs: list[Rung], training: bool) -> Iterator[_Attempt]:
        for candidate in self.lazies.each(self.inputs.candidates):
            for rung in rungs:
                record = rung.trace(self.model, self.table, candidate)
                yield _Attempt(record, candidate, training)

    def _fill_shapes(self, record: Record) -> Guesses:
        """Run the record on the first inputs that pass, else on those that get furthest.

        If the inputs were guessed, only failures that occur with all of them are kept.
        """
        runs: list[Run] = []
        source = self.inputs.source
        for candidate in self.lazies.each(self.inputs.candidates):
            if run_on_meta(record, self.table, candidate) == len(record.calls):
                return Guesses((candidate,))
            runs.append(look_at(record, self.table, candidate))
        if not runs:
            clear_values(record)
            return NONE
        best, believed = max(runs, key=lambda run: run.first), frozenset[int]()
        if source == "inferred":
            best, believed = believable(runs) or (best, believed)
        self.lazies.restore()
        run_on_meta(record, self.table, best.candidate)
        if source == "inferred":
            forget_others(record, believed)
        return Guesses((best.candidate,))

    def _second_look(self, record: Record, given: Guesses) -> Climb:
        """The recorded forward, if ``record`` fails on its inputs and the forward does not.

        A symbolic trace can take the wrong branch without an error, since ``isinstance(x, Tensor)``
        is false for a proxy.
        """
        if given.candidates and failed(record):
            recorded = record_forward(self.model, self.table, given.candidates[0])
            if recorded.complete and not failed(recorded):
                record = recorded
        return Climb(record, given, self.refusals)

    def _note_refusals(self, record: Record) -> None:
        self.refusals += [(record.tracer, refused) for refused in record.refused]

    def _seen(self, record: Record) -> tuple[int, bool]:
        """The number of leaf layers that a record shows as calls, and whether nothing is opaque.

        Layers that the table does not know are not counted, but an opaque call may hold some.
        """
        seen = {id(c.target) for c in record.calls if not c.opaque}
        clear = bool(record.outputs) and not any(c.opaque for c in record.calls)
        return sum(id(m) in seen and is_leaf(m, self.table) for m in self.model.modules()), clear
