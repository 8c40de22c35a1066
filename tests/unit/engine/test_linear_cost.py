"""The engine's cost, in visited ops: it grows with the graph and not with its paths."""

from __future__ import annotations

import pytest

from bnlint.domain.graph import ModelGraph
from bnlint.engine.catalogue import built_in_files, load_rules
from bnlint.engine.check import find_matches
from bnlint.graph.facts import OP_FACTS, Facts
from bnlint.graph.view import View
from tests.unit.engine.rule_texts import rule_of
from tests.unit.graphs import Builder


def residual(blocks: int, between: str = "relu") -> ModelGraph:
    """Blocks of two branches that are added: 2 ** blocks paths."""
    net = Builder()
    last = net.add("input")
    for n in range(blocks):
        conv = net.add("conv2d", f"{n}.conv", reads=(last,), bias=True)
        norm = net.add("batchnorm2d", f"{n}.bn", reads=(conv,))
        side = net.add(between, f"{n}.act", reads=(norm,))
        last = net.add("add", f"{n}.add", reads=(side, last))
    net.add("output")
    return net.build()


def steps_of(graph: ModelGraph, rules) -> int:
    """How many ops are visited by all matches and all facts of all ops."""
    view = View(graph)
    for rule in rules:
        for _ in find_matches(view, rule):
            view.visited()
    facts = Facts(view)
    for op in graph.ops:
        for name in OP_FACTS:
            facts.op(op, name)
    return view.steps


def test_ten_times_the_graph_is_at_most_ten_times_the_steps():
    rules = load_rules(built_in_files())
    small, big = steps_of(residual(200), rules), steps_of(residual(2000), rules)
    assert 0 < big <= 10.5 * small


PATHS = """\
match: [{a: {is: input}}, {through: {not: output}}, {z: {is: output}}]
report: {at: z, message: m}
"""


@pytest.mark.parametrize("blocks", [19, 200])
def test_a_gap_over_many_branches_visits_each_op_once(blocks):
    graph = residual(blocks)
    view = View(graph)
    assert len(list(find_matches(view, rule_of(PATHS)))) == 1
    assert view.steps <= len(graph.ops)
