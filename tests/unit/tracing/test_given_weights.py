"""Initial weights that a function is given: from a ParameterList, a ParameterDict, an attribute."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnlint.domain.graph import Op
from bnlint.tracing.model import trace_model


class Listed(nn.Module):
    """Three linear layers whose weights are in a list, and a convolution in a dict."""

    def __init__(self, make: Callable[..., Tensor]) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(make(16, 16)) for _ in range(3)])
        self.filters = nn.ParameterDict({"one": nn.Parameter(make(4, 1, 3))})

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.weights:
            x = F.relu(F.linear(x, weight))
        return F.conv1d(x.unsqueeze(1), self.filters["one"])


def _kernels(model: nn.Module) -> list[Op]:
    return [op for op in trace_model(model).ops if "kernel" in op.tags]


@pytest.mark.parametrize(("make", "share"), [(torch.zeros, 1.0), (torch.randn, 0.0)])
def test_dead_units_are_counted(make: Callable[..., Tensor], share: float) -> None:
    kernels = _kernels(Listed(make))
    assert [op.facts["init-dead-share"] for op in kernels] == [share] * 4
    assert [op.facts["init-rows-equal"] for op in kernels] == [share == 1.0] * 4


def test_a_bias_counts() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(8, 8))
            self.bias = nn.Parameter(torch.cat([torch.ones(6), -torch.ones(2)]))

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight, self.bias).relu()

    (kernel,) = _kernels(Net())
    assert kernel.facts["init-dead-share"] == 0.25


def test_a_stretch_of_them_is_predicted() -> None:
    torch.manual_seed(0)

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterList([torch.randn(64, 64) for _ in range(5)])

        def forward(self, x: Tensor) -> Tensor:
            for weight in self.weights:
                x = F.relu(F.linear(x, weight))
            return x

    last = _kernels(Deep())[-1]
    assert (last.facts["init-first"], last.facts["init-kernels"]) == ("linear()", 5)
    growth = last.facts["init-scale"]
    assert isinstance(growth, float)
    assert growth == pytest.approx(64**2.5 / 2**2, rel=0.4)  # each of four ReLUs halves the power


def test_fixed_filters_are_no_initial_weights() -> None:
    class Blur(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kernel", torch.ones(1, 1, 3, 3) / 9)
            self.frozen = nn.Parameter(torch.zeros(1, 1, 3, 3), requires_grad=False)
            self.fc = nn.Conv2d(1, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(F.conv2d(F.conv2d(x, self.kernel), self.frozen).relu())

    facts = [op.facts for op in _kernels(Blur()) if op.layer != "fc"]
    assert not [name for each in facts for name in each if name.startswith("init-")]
