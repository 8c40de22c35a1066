"""Forwards that depend on numbers, which tensors on meta do not have."""

from __future__ import annotations

import torch
from torch import nn

from bnlint.models.guessing.guess import given
from bnlint.tracing.model import trace_model


class Batch:
    """Tensors in an object that torch knows nothing of."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x


class Plain(nn.Module):
    """A kernel that the table of layers does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight if x[x > 0].numel() else x @ self.weight.t()


class Net(nn.Module):
    """Decides by numbers, and has parts that it does not call."""

    def __init__(self, spare: nn.Module, scales: nn.Module) -> None:
        super().__init__()
        self.one, self.norm, self.two = Plain(), nn.BatchNorm1d(8), Plain()
        self.spare, self.scales = spare, scales
        self.window = torch.ones(8)

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.two(self.norm(self.one(batch.x * self.window)).relu())


def trace(spare: nn.Module, scales: nn.Module | None = None):
    with torch.device("meta"):
        net = Net(spare, scales or nn.Identity())
        inputs = given(Batch(torch.empty(4, 8)))
    return trace_model(net, inputs=inputs)


def test_objects_and_plain_tensors_get_numbers():
    graph = trace(nn.ReLU(), nn.ParameterList([torch.ones(1)]))
    assert graph.trace.complete
    assert graph.trace.tracer == "recorded"


def test_a_layer_with_weights_that_was_not_called_may_be_another_route():
    graph = trace(nn.Linear(8, 8))
    assert not graph.trace.complete


def test_the_run_with_numbers_is_kept_where_it_sees_no_more_known_layers():
    graph = trace(nn.Linear(8, 8))
    (norm,) = [op.id for op in graph.ops if "norm" in op.tags]
    beside = {e.source for e in graph.edges if e.target == norm}
    beside |= {e.target for e in graph.edges if e.source == norm}
    kinds = {op.kind for op in graph.ops if op.id in beside}
    assert kinds == {"matmul", "relu"}


def test_what_an_attention_holds_need_not_be_called():
    with torch.device("meta"):
        attention = nn.MultiheadAttention(8, 2)

    class Attends(Net):
        def forward(self, batch: Batch) -> torch.Tensor:
            x = super().forward(batch)
            return self.spare(x, x, x)[0]

    with torch.device("meta"):
        net = Attends(attention, nn.Identity())
        inputs = given(Batch(torch.empty(4, 8)))
    assert trace_model(net, inputs=inputs).trace.complete
