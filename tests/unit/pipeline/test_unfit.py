from __future__ import annotations

from dataclasses import replace

import pytest

from bnlint.domain.finding import Finding, ProblemKind, Severity
from bnlint.domain.graph import Inputs, Location, ModelGraph
from bnlint.pipeline.notes import unfit_inputs
from tests.unit.graphs import Builder

FOUND = Finding("BN205", "n", Severity.ERROR, "m", Location("net.py", 3), "Net", "conv")


def _graph(*, reached: bool, error: str | None, given: Inputs) -> ModelGraph:
    net = Builder()
    net.add("input", "x", shape=(1, 3) if reached else None)
    net.add("conv2d", "conv", line=3)
    graph = net.build()
    ops = (graph.ops[0], replace(graph.ops[1], error=error))
    return replace(graph, ops=ops, ref=replace(graph.ref, inputs=given))


def _said(graph: ModelGraph, *findings: Finding) -> list[str]:
    problems = list(unfit_inputs(graph, findings))
    assert all(p.kind is ProblemKind.BAD_INPUT and not p.blocking for p in problems)
    return [f"{p.line}: {p.message}" for p in problems]


def test_an_input_that_reaches_nothing_is_told_with_what_forward_takes() -> None:
    given = Inputs("declared", ((1, 3), ()), ("mask", "y"), ("int64", "float32"))
    assert _said(_graph(reached=False, error=None, given=given)) == [
        "0: the given input mask=1x3:int64 y=scalar does not fit: forward takes x"
    ]


def test_a_failure_is_told_unless_an_error_explains_it() -> None:
    given = Inputs("declared", ((1, 3),))
    graph = _graph(reached=True, error="long and float\nat x", given=given)
    told = ["3: the given input 1x3 fails at `conv`: long and float"]
    assert _said(graph) == told
    assert _said(graph, replace(FOUND, severity=Severity.WARNING)) == told
    assert _said(graph, FOUND) == []


@pytest.mark.parametrize("source", ["inferred", "mined", "none"])
def test_only_inputs_by_hand_are_spoken_of(source: str) -> None:
    given = Inputs(source, ((1, 3),))
    assert _said(_graph(reached=False, error=None, given=given)) == []
    assert _said(_graph(reached=True, error="no", given=given)) == []


def test_an_input_that_fits_is_not_spoken_of() -> None:
    assert _said(_graph(reached=True, error=None, given=Inputs("declared", ((1, 3),)))) == []
