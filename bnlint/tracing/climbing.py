"""The ladder climbed for one model: which inputs each tracer gets, and which record is kept.

Symbolic tracing comes first, since it needs no input and is cheapest. If it cannot trace the whole
model, or its record fails on the inputs, the forward is run and recorded, and fx traces with
concrete shapes; in eval mode last, for models that need targets in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from torch import nn

from bnlint.layers.calls import Call
from bnlint.layers.table import Table, is_leaf
from bnlint.models.guessing.guess import NONE, Guess, Guesses
from bnlint.tracing import ladder
from bnlint.tracing.bare import Lazies
from bnlint.tracing.believing.forgetting import forget_others, forget_parts
from bnlint.tracing.believing.judgement import Judgement, judge
from bnlint.tracing.believing.runs import (
    Run,
    demands_optional,
    failed,
    lacks_input,
    look_at,
    place_of,
)
from bnlint.tracing.fitting.candidates import Candidates
from bnlint.tracing.ladder import Ascent, Climb, Needs, Rung, crash_there, most_telling
from bnlint.tracing.modes.reads_of_mode import ModeWatch
from bnlint.tracing.modes.switching import Switched
from bnlint.tracing.search_clock import SearchClock
from bnlint.tracing.shapes import clear_values, run_on_meta
from bnlint.tracing.tracers import Record, Refused
from bnlint.tracing.tracers.recorded import record_forward

_FILLED, _TRACED = 64, 10
"""Inputs that are varied from a guessed one: where a record is run again, and a whole forward."""


def climb(
    model: nn.Module,
    table: Table,
    inputs: Guesses,
    clock: SearchClock | None = None,
    before: Climb | None = None,
    watch: ModeWatch | None = None,
) -> Climb:
    """The most complete record of ``model`` in its current mode, else in eval mode.

    ``clock`` limits the search for inputs that fit, together with other searches. ``before`` is
    what was found in the other mode: the tracer that recorded it all is tried first. ``watch`` sees
    whether the forward asks for the mode: where it never does, both modes end alike.
    """
    clock = clock or SearchClock()
    lazies = Lazies(model)
    candidates = Candidates(model, table, inputs, lazies.restore, clock)
    climber = _Climber(model, table, candidates, lazies, clock, watch)
    found = climber.as_before(before) if before is not None else None
    found = found or climber.without_inputs() or climber.with_inputs()
    found.cut = clock.cut
    return found


@dataclass(slots=True)
class _Climber:
    """Tries the tracers on one model; keeps the refusals and the best record without inputs.

    ``lacking`` is true if a record failed for want of an input that is None by default.
    """

    model: nn.Module
    table: Table
    candidates: Candidates
    lazies: Lazies
    clock: SearchClock
    watch: ModeWatch | None = None
    unfed: Record = field(default_factory=lambda: Record(""))
    lacking: bool = False

    @property
    def inputs(self) -> Guesses:
        """The inputs that were given or guessed."""
        return self.candidates.inputs

    @property
    def guessed(self) -> bool:
        """True if nobody stated the inputs."""
        return self.candidates.guessed

    @property
    def refusals(self) -> list[tuple[str, Refused]]:
        """The reasons of tracers that refused up to now."""
        return self.candidates.refusals

    @property
    def _unknown(self) -> bool:
        """True if nothing is known of the inputs, so that only a call that passes tells a thing."""
        return all(candidate.optional for candidate in self.inputs.candidates)

    def as_before(self, before: Climb) -> Climb | None:
        """The whole record of the tracer that ran the other mode with inputs, if there was one."""
        if before.rung is None or not self.inputs.candidates:
            return None
        candidate = self.inputs.candidates[0]
        record = before.rung.trace(self.model, self.table, candidate)
        self.lazies.restore()
        if not record.complete or (self.guessed and failed(record)):
            return None
        return Climb(record, Guesses((candidate,)), [], self.model.training)

    def without_inputs(self) -> Climb | None:
        """The first complete record of a tracer that needs no inputs, with shapes filled in."""
        call = next(iter(self.inputs.candidates), Guess())
        records: list[Record] = []
        for rung in (r for r in ladder.LADDER if r.needs is Needs.NAMES):
            records.append(record := rung.trace(self.model, self.table, call))
            self._note_refusals(record)
            if record.complete:
                given, unfit = self._fill_shapes(record)
                if unfit is not None and lacks_input(unfit, record) and self._has_more():
                    break
                return self._second_look(record, given, unfit)
        self.unfed = max(records, key=self._seen, default=self.unfed)
        return None

    def _has_more(self) -> bool:
        """True if there are calls with optional inputs to try."""
        return any(candidate.optional for candidate in self.inputs.candidates)

    def with_inputs(self) -> Climb:
        """The best record of the tracers that need inputs and of those that were tried before."""
        attempts: list[Ascent] = []
        for attempt in self._attempts():
            self._note_refusals(attempt.record)
            attempts.append(attempt)
            if attempt.record.complete and not (self.guessed and failed(attempt.record)):
                return Climb(
                    attempt.record,
                    attempt.given,
                    self.refusals,
                    attempt.training,
                    rung=attempt.rung,
                )
        if not attempts or self._unknown:
            return Climb(self.unfed, NONE, self.refusals)
        found = self._furthest(attempts)
        for attempt in attempts:
            found.entered = {**attempt.record.entered, **found.entered}
        self.lazies.restore()  # what they hold now may come from another attempt
        return found

    def _furthest(self, attempts: list[Ascent]) -> Climb:
        """What is known of a forward that no tracer ran without a failure."""
        first = most_telling(attempts)
        verdict = self._verdict(first, attempts)
        if verdict.run.record.complete:
            forget_others(verdict.run.record, verdict.believed)
            given = Guesses((verdict.run.candidate,))
            return Climb(verdict.run.record, given, self.refusals, first.training)
        best = max(attempts, key=lambda attempt: self._seen(attempt.record))
        if self.guessed:
            forget_others(best.record, frozenset())
        if self._seen(best.record) > self._seen(self.unfed):
            found = Climb(best.record, best.given, self.refusals, best.training)
        else:
            found = Climb(self.unfed, self._fill_shapes(self.unfed)[0], self.refusals)
        crash, sure = verdict.run.record.crash, verdict.doubtful is None
        found.crash, found.unfit = (crash, None) if sure else (None, crash)
        return found

    def _verdict(self, first: Ascent, attempts: list[Ascent]) -> Judgement:
        """Whether the forward fails with every input; of given ones, it is the one that counts."""
        known = {
            id(a.candidate): a.record
            for a in attempts
            if a.rung is first.rung and a.training == first.training
        }

        def trial(candidate: Guess) -> Run:
            record = known.get(id(candidate))
            if record is None:
                self.lazies.restore()
                record = first.rung.trace(self.model, self.table, candidate)
            return look_at(record, self.table, candidate)

        if not self.guessed:
            run = trial(first.candidate)
            return Judgement(run, doubtful=run.first if demands_optional(run.record) else None)
        mode = self.model.training
        self.model.train(first.training)
        try:
            found = judge(self.candidates.each(), trial, _TRACED, self.clock, if_sure=True)
        finally:
            self.model.train(mode)
        other = [a for a in attempts if a.training != first.training]
        if other and not found.run.record.complete and not crash_there(found.run, other):
            return Judgement(found.run, frozenset(), found.run.first)
        return found

    def _attempts(self) -> Iterator[Ascent]:
        """The records of the tracers that need inputs, in order of preference."""
        rungs = ladder.rungs_with_inputs()
        mode = self.model.training
        yield from self._in_mode(rungs, mode)
        if not mode:
            return
        differs, switched = self.watch is None or self.watch.differs, Switched(self.model)
        self.model.eval()
        try:
            if differs or switched.is_more():  # else all would end as it did
                yield from self._in_mode([r for r in rungs if r.in_eval], False)
        finally:
            self.model.train()

    def _in_mode(self, rungs: list[Rung], training: bool) -> Iterator[Ascent]:
        """First those of the tracer that runs the forward itself, whose errors others repeat.

        They are asked once about each error.
        """
        crashed: dict[object, Guess] = {}
        for candidate in self.lazies.each(self.candidates.each()):
            for rung in rungs:
                record = rung.trace(self.model, self.table, candidate)
                yield Ascent(record, candidate, training, rung)
                if record.crash is not None:
                    error = place_of(record.crash), record.crash.error
                    crashed.setdefault(error, candidate)
                    break
        for candidate in self.lazies.each(crashed.values()):
            for rung in rungs[1:]:
                record = rung.trace(self.model, self.table, candidate)
                yield Ascent(record, candidate, training, rung)

    def _fill_shapes(self, record: Record) -> tuple[Guesses, Call | None]:
        """Run the record on the first inputs that pass, else on those that get furthest.

        If the inputs were guessed, only failures that occur with all of them are kept; the call
        that fails with the best of them, if others may pass, is returned as it failed.
        """

        def trial(candidate: Guess) -> Run:
            self.lazies.restore()
            run_on_meta(record, self.table, candidate)
            self.lacking |= any(lacks_input(call, record) for call in record.calls)
            return look_at(record, self.table, candidate, in_part=not record.complete)

        if not self.inputs.candidates:
            clear_values(record)
            return NONE, None
        if not self.guessed:
            given = trial(self.inputs.candidates[0]).candidate
            forget_parts(record)
            return Guesses((given,)), None
        verdict = judge(self.candidates.each(), trial, _FILLED, self.clock)
        if not verdict.run.passes and self._unknown:
            self.lazies.restore()
            clear_values(record)
            return NONE, None
        again = trial(verdict.run.candidate)
        unfit = None if verdict.doubtful is None else replace(record.calls[again.first])
        forget_others(record, verdict.believed)
        return Guesses((verdict.run.candidate,)), unfit

    def _second_look(self, record: Record, given: Guesses, unfit: Call | None) -> Climb:
        """The recorded forward, if ``record`` fails on its inputs and the forward does not.

        A symbolic trace can take the wrong branch without an error, since ``isinstance(x, Tensor)``
        is false for a proxy.
        """
        found = Climb(record, given, self.refusals, unfit=unfit)
        best = next(iter(given.candidates), None)
        candidate = self.candidates.known_to_pass(self.lacking) or best
        if candidate is None or not (unfit or failed(record) or candidate is not best):
            return found
        self.lazies.restore()
        recorded = record_forward(self.model, self.table, candidate)
        if recorded.complete and not failed(recorded):
            return Climb(recorded, Guesses((candidate,)), self.refusals)
        crash, first = recorded.crash, next((c for c in record.calls if c.error is not None), None)
        if (passing := self._other_branch(recorded, first or unfit)) is not None:
            return passing
        own = crash and recorded.crash_is_own and not failed(recorded)
        if crash and first and own and place_of(crash) != place_of(first):
            found.crash = crash  # Python itself stopped there
            forget_others(record, frozenset())
        return found

    def _other_branch(self, recorded: Record, before: Call | None) -> Climb | None:
        """The forward with inputs that pass, where it fails in another way than its record did."""
        ended = next((c for c in recorded.calls if c.error is not None), recorded.crash)
        if not (self.guessed and before and ended) or ended.error == before.error:
            return None
        ascents = self._in_mode(ladder.rungs_with_inputs(), self.model.training)
        found = next((each for each in ascents if each.passes), None)
        if found is None:
            return None
        return Climb(found.record, found.given, self.refusals, rung=found.rung)

    def _note_refusals(self, record: Record) -> None:
        self.refusals.extend((record.tracer, refused) for refused in record.refused)

    def _seen(self, record: Record) -> tuple[int, bool]:
        """The number of leaf layers that a record shows as calls, and whether nothing is opaque.

        Layers that the table does not know are not counted, but an opaque call may hold some.
        """
        seen = {id(c.target) for c in record.calls if not c.opaque}
        clear = bool(record.outputs) and not any(c.opaque for c in record.calls)
        return sum(id(m) in seen and is_leaf(m, self.table) for m in self.model.modules()), clear
