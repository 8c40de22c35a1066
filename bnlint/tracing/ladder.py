"""The ladder: try the tracers in order, keep the one that sees most, and say why others refused.

Symbolic tracing needs no input and is cheapest, so it goes first. Where it can't see the whole
model, or what it saw does not run, and an input is known, the forward itself is run and recorded,
and fx traces with concrete shapes; in eval mode at last, for models that want targets to train.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

from bnlint.domain.graph import Inputs
from bnlint.layers.table import Table, is_leaf
from bnlint.models.guessing.guess import NONE, Guess, Guesses
from bnlint.models.guessing.guess import describe as describe_inputs
from bnlint.tracing.belief import Run, believable, failed, forget_others, look_at, sift
from bnlint.tracing.forward.registry import Registry
from bnlint.tracing.lazies import Lazies
from bnlint.tracing.record import Record, Refused
from bnlint.tracing.shapes import clear_values, run_on_meta
from bnlint.tracing.tracers.concrete import trace_concretely
from bnlint.tracing.tracers.real import record_for_real, wants_numbers
from bnlint.tracing.tracers.recorded import record_forward
from bnlint.tracing.tracers.symbolic import trace_symbolically


@dataclass(slots=True)
class Climb:
    """The record that won, the inputs it ran with, and each tracer that refused, with why.

    ``training`` is false when only the eval mode could be seen.
    """

    record: Record
    inputs: Guesses = NONE
    refusals: list[tuple[str, Refused]] = field(default_factory=list)
    training: bool = True

    @property
    def complete(self) -> bool:
        """True when the whole model was seen."""
        return self.record.complete

    def described_inputs(self) -> Inputs:
        """The inputs as plain data."""
        if not self.inputs.candidates:
            return Inputs()
        return describe_inputs(self.inputs.candidates[0])


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one tracer gave for one candidate."""

    record: Record
    candidate: Guess
    training: bool


def climb(model: nn.Module, table: Table, inputs: Guesses) -> Climb:
    """The best record of ``model`` that the tracers can give; the model's mode is kept."""
    lazies = Lazies(model)
    symbolic, refusals = _symbolic(model, table, inputs)
    if symbolic.complete:
        given = _fill_shapes(symbolic, table, inputs, lazies)
        return _second_look(Climb(symbolic, given, refusals), model, table)
    best: _Attempt | None = None
    doubtful: list[_Attempt] = []
    for attempt in _attempts(model, table, inputs, lazies):
        refusals += [(attempt.record.tracer, r) for r in attempt.record.refused]
        if best is None or _seen(model, table, attempt.record) > _seen(model, table, best.record):
            best = attempt
        if attempt.record.complete:
            if inputs.source != "inferred" or not failed(attempt.record):
                best = attempt
                break
            doubtful.append(attempt)
    else:
        best = _least_doubtful(doubtful, table) if doubtful else best
        lazies.restore()  # what they hold now may come from another attempt
        if best and inputs.source == "inferred" and not best.record.complete:
            forget_others(best.record, frozenset())
    if best is None:
        return Climb(symbolic, NONE, refusals)
    if best.record.complete or _seen(model, table, best.record) > _seen(model, table, symbolic):
        given = Guesses((best.candidate,))
        return Climb(best.record, given, refusals, best.training)
    return Climb(symbolic, _fill_shapes(symbolic, table, inputs, lazies), refusals)


def _least_doubtful(attempts: list[_Attempt], table: Table) -> _Attempt:
    """The attempt to keep where made-up inputs ran, but some layer refused what it got."""
    first = attempts[0]
    of_one = [a for a in attempts if a.record.tracer == first.record.tracer]
    of_one = [a for a in of_one if a.training == first.training]
    return of_one[sift([(a.record, a.candidate) for a in of_one], table)]


def _second_look(climbed: Climb, model: nn.Module, table: Table) -> Climb:
    """The recorded forward where the symbolic record does not run on its inputs and that does.

    A symbolic trace can take the wrong branch without an error (``isinstance(x, Tensor)`` is false
    for a proxy); what really runs is right.
    """
    candidates = climbed.inputs.candidates
    if not candidates or not any(call.error for call in climbed.record.calls):
        return climbed
    recorded = record_forward(Registry(model), table, candidates[0])
    if not recorded.complete or any(call.error for call in recorded.calls):
        return climbed
    return Climb(recorded, climbed.inputs, climbed.refusals)


def _attempts(
    model: nn.Module, table: Table, inputs: Guesses, lazies: Lazies
) -> Iterator[_Attempt]:
    """The records of the tracers that need inputs, in the order of preference."""
    mode = model.training
    for candidate in lazies.each(inputs.candidates):
        recorded = record_forward(Registry(model), table, candidate)
        yield _Attempt(recorded, candidate, mode)
        if wants_numbers(recorded) and (real := record_for_real(model, table, candidate, recorded)):
            yield _Attempt(real, candidate, mode)
        concrete = trace_concretely(Registry(model), table, candidate)
        if isinstance(concrete, Refused):
            concrete = Record("concrete", refused=[concrete])
        yield _Attempt(concrete, candidate, mode)
    if not mode:
        return
    model.eval()
    try:
        for candidate in lazies.each(inputs.candidates):
            recorded = record_forward(Registry(model), table, candidate)
            yield _Attempt(recorded, candidate, False)
            if wants_numbers(recorded) and (
                real := record_for_real(model, table, candidate, recorded)
            ):
                yield _Attempt(real, candidate, False)
    finally:
        model.train()


def _symbolic(
    model: nn.Module, table: Table, inputs: Guesses
) -> tuple[Record, list[tuple[str, Refused]]]:
    registry = Registry(model)
    first = inputs.candidates[0] if inputs.candidates else Guess()
    found = trace_symbolically(registry, table, first.kwargs, len(first.args))
    if isinstance(found, Refused):
        return Record("symbolic", refused=[found]), [("symbolic", found)]
    return found, [("symbolic", r) for r in found.refused]


def _fill_shapes(record: Record, table: Table, inputs: Guesses, lazies: Lazies) -> Guesses:
    """Run the record on the first inputs that pass, or on those that get furthest.

    Of made-up inputs that do not pass, only the faults that hold for all of them are kept.
    """
    runs: list[Run] = []
    for candidate in lazies.each(inputs.candidates):
        if run_on_meta(record, table, candidate) == len(record.calls):
            return Guesses((candidate,))
        runs.append(look_at(record, table, candidate))
    if not runs:
        clear_values(record)
        return NONE
    believed: frozenset[int] = frozenset()
    best = max(runs, key=lambda run: run.first)
    if inputs.source == "inferred":
        best, believed = believable(runs) or (best, believed)
    lazies.restore()
    run_on_meta(record, table, best.candidate)
    if inputs.source == "inferred":
        forget_others(record, believed)
    return Guesses((best.candidate,))


def _seen(model: nn.Module, table: Table, record: Record) -> tuple[int, bool]:
    """How many distinct leaf layers became calls of the record, and whether nothing else is hidden.

    Layers that the table does not know count for nothing, but an opaque call may hold some.
    """
    seen = {id(c.target) for c in record.calls if not c.opaque}
    clear = bool(record.outputs) and not any(c.opaque for c in record.calls)
    return sum(1 for m in model.modules() if id(m) in seen and is_leaf(m, table)), clear
