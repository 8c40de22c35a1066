"""To add a tracer: one file with a function, and its place in ``LADDER``."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bnlint.layers.calls import Call, Ref
from bnlint.layers.table import Table, builtin_table, is_leaf
from bnlint.models.guessing.guess import NONE, Guess, given
from bnlint.tracing import ladder
from bnlint.tracing.climbing import climb
from bnlint.tracing.ladder import LADDER, Needs, Rung
from bnlint.tracing.model import trace_model
from bnlint.tracing.tracers import Record, Refused

GIVEN = given(torch.empty(2, 4, device="meta"))


def trace_as_registered(model: nn.Module, table: Table, call: Guess) -> Record:
    """The layers one after the other, in the order in which they are registered."""
    record = Record("as registered", [Call("input", "input", ("input",))])
    for path, module in model.named_modules():
        if is_leaf(module, table):
            args = (Ref(record.calls[-1].id),)
            record.calls.append(Call(path, module, args, path=path))
            record.called[id(module)] = 1
    record.outputs.append(Ref(record.calls[-1].id))
    return record


def refuse(model: nn.Module, table: Table, call: Guess) -> Record:
    """Nothing: it always refuses."""
    return Record("refusing", refused=[Refused("", "for the test")])


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

    def forward(self, x):
        return self.norm(self.fc(x))


class Unfollowable(Plain):
    """Every tracer of bnlint's refuses its forward."""

    def forward(self, x):
        raise RuntimeError("no way through")


@pytest.mark.parametrize("needs", [Needs.NAMES, Needs.SHAPES])
def test_a_new_tracer_wins_where_it_sees_most(monkeypatch, needs):
    monkeypatch.setattr(ladder, "LADDER", [*LADDER, Rung(trace_as_registered, needs)])
    graph = trace_model(Unfollowable(), inputs=GIVEN)
    assert (graph.trace.tracer, graph.trace.complete) == ("as registered", True)
    assert [op.kind for op in graph.ops] == ["input", "linear", "batchnorm1d", "output"]
    assert {refusal.tracer for refusal in graph.trace.refusals} >= {"symbolic"}


def test_an_earlier_tracer_that_sees_the_whole_is_preferred(monkeypatch):
    monkeypatch.setattr(ladder, "LADDER", [*LADDER, Rung(trace_as_registered, Needs.NAMES)])
    assert trace_model(Plain(), inputs=GIVEN).trace.tracer == "symbolic"
    monkeypatch.setattr(ladder, "LADDER", [Rung(trace_as_registered, Needs.NAMES), *LADDER])
    assert trace_model(Plain(), inputs=GIVEN).trace.tracer == "as registered"


@pytest.mark.parametrize("inputs", [NONE, GIVEN])
def test_a_refusal_is_a_record_and_is_reported(monkeypatch, inputs):
    monkeypatch.setattr(ladder, "LADDER", [Rung(refuse, Needs.NAMES), *LADDER])
    climbed = climb(Plain().to("meta"), builtin_table(), inputs)
    assert climbed.record.tracer == "symbolic"
    assert [(tracer, r.reason) for tracer, r in climbed.refusals] == [("refusing", "for the test")]


def test_of_a_new_tracer_that_is_tried_in_both_modes_the_eval_record_may_win(monkeypatch):
    def only_in_eval(model: nn.Module, table: Table, call: Guess) -> Record:
        return (refuse if model.training else trace_as_registered)(model, table, call)

    rungs = [*LADDER, Rung(only_in_eval, Needs.SHAPES, in_eval=True)]
    monkeypatch.setattr(ladder, "LADDER", rungs)
    graph = trace_model(Unfollowable(), inputs=GIVEN)
    assert graph.trace.tracer == "as registered"
    assert {(m.calls, m.eval_calls) for m in graph.modules if m.leaf} == {(None, 1)}
