from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import bnlint
from bnlint import BnlintError


def _randomised(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    model = model.double()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_()
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_()
                m.running_var.uniform_(0.5, 2)
    return model.eval()


def _same(model: nn.Module, other: nn.Module, train: bool = False) -> bool:
    x = torch.randn(4, 3, 9, 9, dtype=torch.float64)
    return torch.allclose(model.train(train)(x), other.train(train)(x))


class Biased(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 8, 3)
        self.bn2 = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(self.conv(x), 2)
        x = F.relu(self.bn(x))
        return self.head(self.bn2(self.up(x)).relu())


def test_a_bias_is_folded_into_the_running_mean() -> None:
    model = _randomised(Biased())
    before = {k: v.clone() for k, v in model.state_dict().items()}
    repaired = bnlint.repair(model)
    assert isinstance(repaired, torch.fx.GraphModule)
    assert all(torch.equal(before[k], now) for k, now in model.state_dict().items())
    assert set(before) - set(repaired.state_dict()) == {"conv.bias", "up.bias"}
    assert not repaired.training
    assert _same(model, repaired)
    assert _same(model, repaired, train=True)
    assert not bnlint.check_model(repaired, select=["BN301"]).findings
    assert len(repaired.meta["bnlint"]["done"]) == 2


def test_a_repeated_norm_is_merged() -> None:
    conv, head = nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 4, 1)
    model = _randomised(nn.Sequential(conv, nn.BatchNorm2d(8), nn.BatchNorm2d(8), nn.ReLU(), head))
    repaired = bnlint.repair(model, select=["BN105"])
    norms = [m for m in repaired.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 1
    assert _same(model, repaired)


def test_a_norm_moves_before_the_activation_and_the_bias_goes() -> None:
    def block(i: int) -> list[nn.Module]:
        return [nn.Conv2d(i, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]

    wrong = [nn.Conv2d(8, 8, 3), nn.LeakyReLU(0.1), nn.BatchNorm2d(8)]
    model = _randomised(nn.Sequential(*block(3), *block(8), *wrong, nn.Conv2d(8, 4, 1)))
    repaired = bnlint.repair(model)
    kinds = [op.kind for op in bnlint.trace(repaired).ops][7:10]
    assert kinds == ["conv2d", "batchnorm2d", "leakyrelu"]
    assert repaired.get_submodule("6").bias is None
    assert repaired.get_submodule("8").weight.equal(model.get_submodule("8").weight)  # type: ignore[operator]
    assert [d.partition(":")[0] for d in repaired.meta["bnlint"]["done"]] == ["BN101 8", "BN301 6"]


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 3, padding=1)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return x + self.conv(F.relu(x, inplace=True))


def test_an_activation_in_place_leaves_the_residual_alone() -> None:
    model = _randomised(InPlace())
    repaired = bnlint.repair(model)
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    y = model.stem(x)
    assert torch.allclose(repaired(x), y + model.conv(F.relu(y)))
    assert not torch.allclose(repaired(x), model(x))


def test_what_would_need_other_weights_is_refused_with_the_reason() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    refused = bnlint.repair(model, torch.randn(1, 3, 5, 5)).meta["bnlint"]["refused"]
    assert "which weights" in refused["BN201 1"]


def test_a_model_that_fx_cannot_trace_is_an_error_that_says_why() -> None:
    class Loop(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(BnlintError, match=r"cannot trace the model.*control flow"):
        bnlint.repair(Loop())


def test_a_shared_norm_keeps_the_bias() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
            self.bn = nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.bn(self.b(self.bn(self.a(x)).relu())).relu()

    model = _randomised(Shared())
    repaired = bnlint.repair(model, select=["BN301"])
    assert "called more than once" in repaired.meta["bnlint"]["refused"]["BN301 a"]
    assert _same(model, repaired)
