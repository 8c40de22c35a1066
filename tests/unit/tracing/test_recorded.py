from __future__ import annotations

import torch
from torch import nn

from bnlint.layers.calls import name_of
from bnlint.layers.table import builtin_table
from bnlint.models.guessing.guess import Guess, Guesses
from bnlint.tracing.model import trace_model
from bnlint.tracing.tracers.recorded import record_forward


def test_the_alias_of_a_tensor_that_comes_back_is_no_operation():
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Identity(), nn.ReLU(inplace=True))
    net = nn.Sequential(*layers).to("meta")
    given = Guess((torch.empty(2, 3, 8, 8, device="meta"),))
    record = record_forward(net, builtin_table(), given)
    assert [name_of(call.target) for call in record.calls[1:]] == [
        type(layer).__name__ for layer in layers
    ]


class _Adapts(nn.Module):
    """Keeps a buffer of its input's type, and what the last forward returned."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.last = None
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean = self.mean.type_as(x)
        if self.mean.sum() > 1:
            return x
        self.last = self.conv(x - self.mean)
        return self.last


def test_what_a_forward_keeps_does_not_reach_the_next_trace() -> None:
    model = _Adapts()
    mean = model.mean
    given = Guesses((Guess((torch.empty(2, 3, 8, 8, device="meta"),)),))
    graph = trace_model(model, inputs=given)
    assert graph.trace.complete
    assert model.mean is mean
    assert model.last is None
