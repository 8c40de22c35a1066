"""Modules that are called without being registered."""

from __future__ import annotations

import torch
from torch import nn

from bnlint.models.guessing.guess import given
from bnlint.tracing.model import trace_model

TEACHER = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        return self.fc(x).relu()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.own = nn.Linear(8, 8)
        self.blocks = [Block() for _ in range(2)]

    def forward(self, x):
        x = self.own(x)
        for block in self.blocks:
            x = block(x)
        x = nn.Linear(8, 8)(x)
        with torch.no_grad():
            y = TEACHER(x)
        return nn.ReLU()(x), y


GIVEN = given(torch.empty(2, 8, device="meta"))


def strays():
    graph = trace_model(Net(), inputs=GIVEN)
    return [m for m in graph.modules if m.facts.get("registered") is False]


def test_each_is_described_once_with_how_it_is_held():
    found = [(m.facts["class"], m.facts["held"], m.facts["grad"], m.calls) for m in strays()]
    assert found == [
        ("Block", "list", True, 1),
        ("Block", "list", True, 1),
        ("Linear", "forward", True, 1),
        ("Sequential", "global", False, 1),
        ("ReLU", "forward", True, 1),
    ]


def test_they_are_named_by_where_they_are_held():
    assert [m.path for m in strays()][:2] == ["blocks[0]", "blocks[1]"]


def test_parameters_of_the_whole_part_are_counted():
    found = {m.path: m for m in strays()}
    assert found["blocks[0]"].parameters == 72
    assert found["blocks[0]"].facts["states"] == 2
    (relu,) = (m for m in found.values() if m.facts["class"] == "ReLU")
    assert relu.parameters == relu.facts["states"] == 0


def test_a_layer_that_is_built_in_forward_does_not_refuse_symbolic_tracing():
    graph = trace_model(Net())
    assert graph.trace.tracer == "symbolic"
    assert graph.trace.complete


def test_their_real_weights_do_not_get_in_the_way_of_shapes():
    graph = trace_model(Net(), inputs=GIVEN)
    assert [op.layer for op in graph.ops if op.error] == []
    assert all(op.outputs == ((2, 8),) for op in graph.ops if "kernel" in op.tags)
    assert TEACHER[0].weight.device.type == "cpu"


def test_held_layers_are_copied_to_meta_with_the_model():
    model = Net()
    trace_model(model, inputs=GIVEN)
    assert model.blocks[0].fc.weight.device.type == "cpu"


class Wrapping(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return nn.Sequential(self.a, nn.ReLU(), self.b)(x)


def test_what_wraps_registered_layers_holds_nothing_of_its_own():
    found = [m for m in trace_model(Wrapping()).modules if m.facts.get("registered") is False]
    assert [(m.facts["class"], m.facts["states"], m.parameters) for m in found] == [
        ("Sequential", 0, 0)
    ]


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(8, 8, 1)
        self.two = nn.Conv2d(16, 8, 1)

    def forward(self, x, skip=None):
        x = self.one(x)
        return self.two(x if skip is None else torch.cat([x, skip], 1))


class Refusing(nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = Decoder()

    def forward(self, x):
        return self.decoder(x, x) if x.sum() > 0 else x


def test_a_part_that_is_traced_alone_without_its_optional_inputs_says_so():
    graph = trace_model(Refusing())
    assert [op.facts.get("alone") for op in graph.ops if "kernel" in op.tags] == [True, True]
    whole = trace_model(Decoder())
    assert [op.facts.get("alone") for op in whole.ops if "kernel" in op.tags] == [None, None]


def test_a_forward_of_its_own_is_noted():
    class Own(nn.Conv2d):
        def forward(self, x):
            return super().forward(x)

    graph = trace_model(nn.Sequential(Own(3, 3, 1), nn.Conv2d(3, 3, 1)))
    assert [op.facts["custom"] for op in graph.ops if "kernel" in op.tags] == [True, False]


class AsList(nn.Module):
    def __init__(self):
        super().__init__()
        self.branches = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1))

    def forward(self, x):
        return sum(b(x) for b in self.branches) if x.sum() > 0 else x


def test_a_sequence_that_is_traced_alone_may_be_used_as_a_list():
    graph = trace_model(AsList())
    assert [op.facts.get("alone") for op in graph.ops if "kernel" in op.tags] == [True, True]
