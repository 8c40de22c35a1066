"""Lazy layers: what one input fixed does not hold for the next, and none of it breaks a check."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import bnlint
from bnlint.tracing.bare import Lazies


def test_restored_layers_take_other_channels_as_if_never_called():
    model = nn.Sequential(nn.LazyConv2d(4, 1), nn.LazyBatchNorm2d())
    lazies = Lazies(model)
    for channels in lazies.each([3, 5]):
        model(torch.empty(2, channels, 4, 4, device="meta"))
        assert type(model[0]) is nn.Conv2d
        assert model[0].in_channels == channels
        assert not model[1]._forward_pre_hooks
    lazies.restore()
    assert type(model[1]) is nn.LazyBatchNorm2d
    assert model[1].has_uninitialized_params()


@pytest.mark.parametrize("rank", [2, 3])
def test_a_lazy_norm_among_linear_layers_is_no_mismatch(rank):
    inputs = torch.empty(2, *[8] * (rank - 1))
    model = nn.Sequential(
        nn.Linear(8, 16), nn.LazyBatchNorm1d(), nn.ReLU(), nn.Linear(16, 8), nn.LayerNorm(8)
    )
    for given in (None, inputs):
        rules = {f.rule for f in bnlint.check_model(model, given).findings}
        assert not rules & {"BN201", "BN205"}
    assert type(model[1]) is nn.LazyBatchNorm1d


def test_a_lazy_layer_that_no_input_reaches_is_described():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.held = [nn.Linear(3, 8)]
            self.norm = nn.LazyBatchNorm1d()

        def forward(self, x):
            return self.norm(self.held[0](x)["no such thing"])

    graph = bnlint.trace(Net())
    (norm,) = [m for m in graph.modules if m.path == "norm"]
    assert norm.facts["lazy"] is True
    assert norm.parameters == 0
