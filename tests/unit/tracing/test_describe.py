from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

from bnlint.tracing.model import trace_model


def test_a_layer_called_output_is_not_the_models_output():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.output = nn.Conv2d(8, 4, 1)

        def forward(self, x):
            return self.output(self.conv(x).relu())

    graph = trace_model(Net())
    ids = [op.id for op in graph.ops]
    assert len(set(ids)) == len(ids)
    kinds = {op.id: op.kind for op in graph.ops}
    assert [(kinds[e.source], kinds[e.target]) for e in graph.edges] == [
        ("input", "conv2d"),
        ("conv2d", "relu"),
        ("relu", "conv2d"),
        ("conv2d", "output"),
    ]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("wrap", [weight_norm, parametrizations.weight_norm])
def test_a_computed_weight_is_told_from_a_learned_one(wrap):
    net = nn.Sequential(nn.Conv2d(3, 8, 3), wrap(nn.Conv2d(8, 8, 3)))
    facts = [op.facts.get("parametrized") for op in trace_model(net).ops if "kernel" in op.tags]
    assert facts == [None, True]


class RMSNorm(nn.Module):
    """Written by hand, as in many language models."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def test_a_norm_written_by_hand_is_known_by_its_name() -> None:
    graph = trace_model(nn.Sequential(nn.Linear(4, 8), RMSNorm(8), nn.ReLU()))
    assert [op.kind for op in graph.ops] == ["input", "linear", "rmsnorm", "relu", "output"]
    norm = graph.ops[2]
    assert norm.facts["channels"] == 8
    assert norm.facts["affine"] is True


def test_what_is_written_in_place_is_what_later_calls_read() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.a(x)
            y.add_(self.b(x))
            y.mul_(2)
            return self.c(y)

    edges = [(e.source, e.target) for e in trace_model(Net()).edges]
    assert edges == [
        ("x", "a"),
        ("x", "b"),
        ("a", "add_"),
        ("b", "add_"),
        ("add_", "mul_"),
        ("mul_", "c"),
        ("c", "=output"),
    ]


def test_data_that_is_written_into_zeros_is_read_from_there() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 6)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            scores = self.fc(x)
            chosen = torch.zeros(scores.size())
            before = scores + chosen
            chosen.scatter_(1, labels, 1)
            return before * (1 - chosen)

    graph = trace_model(Net())
    assert graph.trace.tracer == "symbolic"
    edges = [(e.source, e.target) for e in graph.edges]
    assert edges == [
        ("x", "fc"),
        ("fc", "add"),
        ("labels", "scatter_"),
        ("scatter_", "sub"),
        ("add", "mul"),
        ("sub", "mul"),
        ("mul", "=output"),
    ]
