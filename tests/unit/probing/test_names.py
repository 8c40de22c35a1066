"""A layer has one name: what the lint finds and what the probe measures is of the same call."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.api import check_model
from bnlint.domain.finding import Finding, Measurable, Report, Severity
from bnlint.domain.graph import Location, ModelGraph
from bnlint.models.guessing.guess import Guesses, given
from bnlint.probing.judging.evidence import attach_evidence
from bnlint.probing.probe_model import probe
from bnlint.tracing.model import trace_model

FAMILIES = ("activation", "norm")
HERE = Location("net.py", 1)


def traced(model: nn.Module, *shape: int) -> tuple[ModelGraph, ModelGraph]:
    """The graph as fx sees it, and as the recorder does."""
    inputs = given(torch.empty(shape))
    symbolic = trace_model(model, inputs=inputs)
    assert symbolic.trace.complete
    return symbolic, recorded(model, inputs)


def recorded(model: nn.Module, inputs: Guesses) -> ModelGraph:
    class Deciding(type(model)):  # type: ignore[misc]
        def forward(self, x):
            if x.sum() is None:
                raise ValueError
            return super().forward(x) if len(x.unbind()) else x

    Deciding.__name__ = type(model).__name__
    plain = model.__class__
    model.__class__ = Deciding
    try:
        found = trace_model(model, inputs=inputs)
    finally:
        model.__class__ = plain
    assert found.trace.tracer != "symbolic"
    return found


def calls(graph: ModelGraph, family: str) -> list[tuple[str, int]]:
    return [(op.layer, op.number) for op in graph.ops if family in op.tags]


class Two(nn.Module):
    """Two functional activations, the second of which is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        nn.init.constant_(self.b.bias, -100.0)

    def forward(self, x):
        return self.c(F.relu(self.b(torch.relu(self.a(x)))))


class Listed(nn.Module):
    """Norms in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.norms = [nn.BatchNorm1d(8), nn.BatchNorm1d(8)]

    def forward(self, x):
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return x


class Owner(nn.Module):
    def __init__(self, times: int = 1) -> None:
        super().__init__()
        self.fc, self.times = nn.Linear(8, 8), times

    def forward(self, x):
        for _ in range(self.times):
            x = F.relu(self.fc(x))
        return x


class Held(nn.Module):
    """Blocks in a plain list, whose inner layers and functions have names of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Owner(), Owner(2)]

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return torch.tanh(x)


class Given(nn.Module):
    """An activation that is a function in an attribute."""

    def __init__(self, act) -> None:
        super().__init__()
        self.fc, self.act = nn.Linear(8, 8), act

    def forward(self, x):
        return self.act(self.act(self.fc(x)))


class Shared(nn.Module):
    """One layer object at two paths, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.one = nn.Linear(8, 8), nn.ReLU()
        self.two, self.norm = self.one, nn.BatchNorm1d(8)

    def forward(self, x):
        return self.two(self.norm(self.one(self.norm(self.fc(x)))))


class Mixed(nn.Module):
    """Calls of one name by several ways to write it, one of them on a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.gate = nn.Linear(8, 8), nn.Parameter(torch.ones(8))

    def forward(self, x):
        x = self.fc(x) * self.gate.sigmoid()
        x = x.clamp(min=-1).sigmoid().relu().clamp(min=0)
        return F.relu(x.relu_().sigmoid())


MODELS = {
    "two": (Two, [("relu()", 0), ("relu()", 1)], []),
    "listed": (Listed, [("relu()", 0), ("relu()", 1)], [("norms[0]", 0), ("norms[1]", 0)]),
    "sequential": (
        lambda: nn.Sequential(Owner(), Owner(3)),
        [("0.relu()", 0), ("1.relu()", 0), ("1.relu()", 1), ("1.relu()", 2)],
        [],
    ),
    "held": (
        Held,
        [("blocks[0].relu()", 0), ("blocks[1].relu()", 0), ("blocks[1].relu()", 1), ("tanh()", 0)],
        [],
    ),
    "lambda": (lambda: Given(lambda x: F.relu(x)), [("relu()", 0), ("relu()", 1)], []),
    "partial": (
        lambda: Given(partial(F.leaky_relu, negative_slope=0.2)),
        [("leaky_relu()", 0), ("leaky_relu()", 1)],
        [],
    ),
    "module": (lambda: Given(nn.ReLU()), [("act", 0), ("act", 1)], []),
    "shared": (Shared, [("one", 0), ("one", 1)], [("norm", 0), ("norm", 1)]),
}


@pytest.mark.parametrize("name", MODELS)
def test_lint_and_probe_name_calls_alike(name: str) -> None:
    make, activations, norms = MODELS[name]
    model = make()
    result = probe(model, torch.randn(32, 8))
    assert [(a.layer, a.call) for a in result.activations] == activations
    assert [(n.layer, n.call) for n in result.norms] == norms
    for graph in traced(model, 4, 8):
        assert calls(graph, "activation") == activations
        assert calls(graph, "norm") == norms


def test_every_call_of_a_name_is_counted_whatever_it_reads() -> None:
    model = Mixed()
    seen = [(a.layer, a.call) for a in probe(model, torch.randn(32, 8)).activations]
    assert seen == [
        ("sigmoid()", 1),
        ("relu()", 0),
        ("clamp()", 1),
        ("relu()", 1),
        ("sigmoid()", 2),
        ("relu()", 2),
    ]
    for graph in traced(model, 4, 8):
        assert calls(graph, "activation") == seen


def test_two_norms_in_a_list_are_no_calls_of_one_norm() -> None:
    rows = probe(Listed(), torch.randn(64, 8)).norms
    assert [n.call_distance for n in rows] == [None, None]


def finding(measure: str, *calls: tuple[str, int]) -> Finding:
    named = Measurable(measure, calls)
    return Finding("XX101", "a-name", Severity.WARNING, "m", HERE, "Two", "", measurable=named)


def test_evidence_is_that_of_the_call() -> None:
    report = Report(
        findings=(
            finding("stuck-units", ("relu()", 0)),
            finding("stuck-units", ("relu()", 1)),
            finding("stuck-units", ("b", 0), ("relu()", 1)),
            finding("stuck-units", ("relu()", 2)),
        )
    )
    result = probe(Two(), torch.randn(300, 8))
    alive, dead, related, none = [f.evidence for f in attach_evidence(report, result).findings]
    assert alive is not None
    assert alive.values["dead"] < 0.5
    assert dead is not None
    assert dead.values["dead"] == 1
    assert related == dead
    assert none is None


def test_a_finding_names_the_call_that_the_probe_measures() -> None:
    """Norms after two functional activations, of which the second is dead."""

    class Late(Two):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.BatchNorm1d(8), nn.BatchNorm1d(8)
            usual = [(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU()) for _ in range(4)]
            self.usual = nn.Sequential(*(layer for layers in usual for layer in layers))

        def forward(self, x):
            x = self.one(F.relu(self.a(self.usual(x))))
            return self.c(self.two(torch.relu(self.b(x))))

    model = Late()
    findings = check_model(model).findings
    wanted = [f for f in findings if f.rule == "BN101"]
    assert [f.layer for f in wanted] == ["one", "two"]
    result = probe(model, torch.randn(300, 8))
    report = attach_evidence(Report(findings=tuple(wanted)), result)
    alive, dead = [f.evidence for f in report.findings]
    assert alive is not None
    assert alive.values["dead"] < 0.5
    assert dead is not None
    assert dead.values["dead"] == 1


class Lines(nn.Module):
    """Functions that are called several times, a line each; the second ReLU is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(8, 8)) for _ in range(3))
        self.low = nn.Parameter(torch.full((8,), -100.0))

    def forward(self, x):
        x = F.linear(x, self.weights[0])
        x = F.relu(x)
        x = F.linear(x, self.weights[1], self.low)
        x = F.relu(x)
        x = F.linear(x + 1, self.weights[2])
        return F.relu(x)


def test_a_finding_of_the_probe_points_at_the_call_that_was_measured() -> None:
    model = Lines()
    graph = trace_model(model, inputs=given(torch.empty(4, 8)))
    found = probe(model, torch.randn(300, 8), graph=graph).report.findings
    places = {(op.layer, op.number): op.location for op in graph.ops}
    assert len({places["relu()", call] for call in range(3)}) == 3
    (dead,) = [f for f in found if f.name == "dead-layer"]
    assert dead.location == places["relu()", 1]
    (vanishing,) = [r for r in dead.related if r.message.startswith("gradient-vanishing")]
    assert vanishing.location == places["linear()", 0]


class Functional(nn.Module):
    """Two functional kernels, the bias of one of which a norm takes away."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(8, 8)) for _ in range(2))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(8)) for _ in range(2))
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        x = F.relu(self.norm(F.linear(x, self.weights[0], self.biases[0])))
        return F.linear(x, self.weights[1], self.biases[1])


def test_the_bias_that_changes_is_that_of_one_call_of_a_function() -> None:
    kernels = (("linear()", 0), ("linear()", 1))
    report = Report(findings=tuple(finding("bias-effect", kernel) for kernel in kernels))
    result = probe(Functional(), torch.randn(300, 8), report=report)
    silent, loud = [f.evidence for f in attach_evidence(report, result).findings]
    assert silent is not None
    assert loud is not None
    assert silent.values["change"] < 1e-4
    assert loud.values["change"] > 0.1


def test_spared_activations_are_counted_alike_in_a_comparison() -> None:
    class Output(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 1)
            self.gate = nn.Parameter(torch.ones(8))

        def forward(self, x):
            return torch.sigmoid(self.b(torch.sigmoid(self.a(x)) * torch.sigmoid(self.gate)))

    result = probe(Output(), torch.randn(32, 8), compare=True, steps=1)
    assert [(a.call, a.at_output) for a in result.activations] == [(0, False), (2, True)]
    assert result.comparison is not None
    assert {v.name: v.norms for v in result.comparison.variants}["before"] == 0


def test_parts_of_an_unregistered_layer_that_is_one_operation_take_no_numbers() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)]
            self.fc = nn.Linear(8, 8)

        def forward(self, x):
            return nn.ReLU()(self.fc(self.parts[0](x)))

    result = probe(Attending(), torch.randn(32, 3, 8))
    assert [n.layer for n in result.norms] == ["parts[0].norm1", "parts[0].norm2"]
    assert [a.layer for a in result.activations] == ["parts[0].relu()", "<ReLU 1>"]
