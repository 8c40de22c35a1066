from __future__ import annotations

import torch
from torch import nn

from bnlint.layers.calls import name_of
from bnlint.layers.table import builtin_table
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.forward.registry import Registry
from bnlint.tracing.tracers.recorded import record_forward


def test_the_alias_of_a_tensor_that_comes_back_is_no_operation():
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Identity(), nn.ReLU(inplace=True))
    net = nn.Sequential(*layers).to("meta")
    given = Guess((torch.empty(2, 3, 8, 8, device="meta"),))
    record = record_forward(Registry(net), builtin_table(), given)
    assert [name_of(call.target) for call in record.calls[1:]] == [
        type(layer).__name__ for layer in layers
    ]
