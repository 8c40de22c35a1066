"""A class is judged by the weights that its factory sets, where the file has one."""

from __future__ import annotations

import pytest

from bnlint.domain.graph import ModelGraph
from bnlint.tracing.file import trace_source

NET = """
import torch.nn as nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)
        {own}

    def forward(self, x):
        return self.head(self.conv(x).relu())

{factory}
"""
ZERO, RANDOM = "nn.init.zeros_({0}.conv.weight)", "nn.init.kaiming_normal_({0}.conv.weight)"
FACTORY = "def make():\n    net = Net()\n    {}\n    return net\n"


def graphs(own: str, factory: str) -> tuple[ModelGraph, ...]:
    return trace_source(NET.format(own=own, factory=factory))


def starts_at_zero(graph: ModelGraph) -> object:
    return next(op.facts["init-zero"] for op in graph.ops if op.layer == "conv")


@pytest.mark.parametrize(("own", "set_up", "zero"), [(RANDOM, ZERO, True), (ZERO, RANDOM, False)])
def test_what_the_factory_sets_counts(own: str, set_up: str, zero: bool) -> None:
    (graph,) = graphs(own.format("self"), FACTORY.format(set_up.format("net")))
    assert (graph.ref.name, graph.ref.arguments) == ("Net", "Net()")
    assert starts_at_zero(graph) is zero


def test_a_factory_of_another_structure_does_not_count() -> None:
    other = FACTORY.format("net.head = nn.Conv2d(8, 9, 1)\n    nn.init.zeros_(net.conv.weight)")
    bare, made = graphs("pass", other)
    assert (bare.ref.name, made.ref.name) == ("Net", "make")
    assert starts_at_zero(bare) is False
    assert starts_at_zero(made) is True
