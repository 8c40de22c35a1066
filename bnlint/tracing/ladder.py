"""The ladder: try the tracers in order, keep the one that sees most, and say why others refused.

Symbolic tracing needs no input and is cheapest, so it goes first; where it can't see the whole
model and an input is known, the forward is run and recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from bnlint.domain.graph import Inputs
from bnlint.tracing.classify import Table, is_leaf
from bnlint.tracing.inputs import NONE, Candidate, GivenInputs
from bnlint.tracing.inputs import describe as describe_inputs
from bnlint.tracing.modules import Registry
from bnlint.tracing.record import Record, Refused
from bnlint.tracing.shapes import clear_values, run_on_meta
from bnlint.tracing.tracers.recorded import record_forward
from bnlint.tracing.tracers.symbolic import trace_symbolically


@dataclass(slots=True)
class Climb:
    """The record that won, the inputs it ran with, and each tracer that refused, with why."""

    record: Record
    inputs: GivenInputs = NONE
    refusals: list[tuple[str, Refused]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when the whole model was seen."""
        return self.record.complete

    def described_inputs(self) -> Inputs:
        """The inputs as plain data."""
        if not self.inputs.candidates:
            return Inputs()
        return describe_inputs(self.inputs.candidates[0], self.inputs.source)


def climb(model: nn.Module, table: Table, inputs: GivenInputs) -> Climb:
    """The best record of ``model`` that the tracers can give."""
    symbolic, refusals = _symbolic(model, table, inputs)
    if symbolic.complete:
        return Climb(symbolic, _fill_shapes(symbolic, table, inputs), refusals)
    recorded = None
    for candidate in inputs.candidates:
        found = record_forward(Registry(model), table, candidate)
        if recorded is None or _seen(model, table, found) > _seen(model, table, recorded[0]):
            recorded = (found, candidate)
        if found.complete:
            return Climb(found, GivenInputs((candidate,), inputs.source), refusals)
    if recorded is None:
        return Climb(symbolic, NONE, refusals)
    record, candidate = recorded
    refusals += [("recorded", r) for r in record.refused]
    if _seen(model, table, record) > _seen(model, table, symbolic):
        return Climb(record, GivenInputs((candidate,), inputs.source), refusals)
    return Climb(symbolic, _fill_shapes(symbolic, table, inputs), refusals)


def _symbolic(
    model: nn.Module, table: Table, inputs: GivenInputs
) -> tuple[Record, list[tuple[str, Refused]]]:
    registry = Registry(model)
    first = inputs.candidates[0] if inputs.candidates else Candidate()
    found = trace_symbolically(registry, table, first.kwargs, len(first.args))
    if isinstance(found, Refused):
        return Record("symbolic", refused=[found]), [("symbolic", found)]
    return found, [("symbolic", r) for r in found.refused]


def _fill_shapes(record: Record, table: Table, inputs: GivenInputs) -> GivenInputs:
    """Run the record on the first inputs that pass, or on those that get furthest."""
    best: tuple[int, Candidate] | None = None
    for candidate in inputs.candidates:
        reached = run_on_meta(record, table, candidate)
        if reached == len(record.calls):
            return GivenInputs((candidate,), inputs.source)
        if best is None or reached > best[0]:
            best = (reached, candidate)
    if best is None:
        clear_values(record)
        return NONE
    run_on_meta(record, table, best[1])
    return GivenInputs((best[1],), inputs.source)


def _seen(model: nn.Module, table: Table, record: Record) -> int:
    """How many distinct leaf layers became calls of the record."""
    seen = {id(c.target) for c in record.calls if not c.opaque}
    return sum(1 for m in model.modules() if id(m) in seen and is_leaf(m, table))
