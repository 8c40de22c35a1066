from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.probing.probe_model import probe
from tests.unit.probing.nets import Pick, ResNet, mlp


def test_the_statistics_are_those_of_the_preactivation() -> None:
    model = Pick(nn.ReLU(), 5)
    x = torch.randn(300, 5) * torch.tensor([1.0, 2, 3, 4, 5]) + torch.arange(5.0)
    row = probe(model, x).activations[0]
    assert (row.layer, row.kind, row.units, row.samples) == ("act", "relu", 5, 300)
    assert abs(row.mean - float(x.mean())) < 1e-5
    assert abs(row.std - float(x.std(correction=0))) < 1e-4
    assert row.minimum == float(x.min())
    assert row.maximum == float(x.max())
    assert row.inactive is not None
    assert abs(row.inactive - float((x <= 0).float().mean())) < 1e-6


def test_every_way_to_write_an_activation_is_the_same() -> None:
    ways = [
        nn.ReLU(),
        nn.ReLU(inplace=True),
        lambda x: F.relu(x),
        lambda x: torch.relu(x),
        lambda x: x.relu(),
        lambda x: x.relu_(),
        lambda x: torch.clamp(x, min=0),
        lambda x: x.clamp_(min=0),
        lambda x: F.threshold(x, 0.0, 0.0),
    ]
    x = torch.randn(64, 6)
    seen = []
    for way in ways:
        torch.manual_seed(1)
        model = Pick(nn.Identity(), 6)
        model.act = way if isinstance(way, nn.Module) else Function(way)
        row = probe(model, x).activations[0]
        seen.append((row.mean, row.std, row.maximum, row.dead, row.inactive, row.gradient))
    assert len(set(seen)) == 1
    assert seen[0][-1] is not None
    assert seen[0][-1] > 0


class Function(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_an_inplace_resnet_keeps_its_layers_and_calls_apart() -> None:
    result = probe(ResNet(), torch.randn(16, 3, 8, 8))
    names = [(a.layer, a.call) for a in result.activations]
    assert names == [
        ("relu()", 0),
        ("layers.0.relu", 0),
        ("layers.0.relu()", 0),
        ("layers.1.relu", 0),
        ("layers.1.relu()", 0),
    ]
    assert all(a.gradient for a in result.activations)
    assert [k.layer for k in result.kernels][:2] == ["stem.0", "layers.0.conv1"]
    assert result.norms[0].layer == "stem.1"


def test_the_gradient_is_that_of_a_plain_backward() -> None:
    model, x, y = mlp(3), torch.randn(40, 32), torch.randint(10, (40,))
    result = probe(model, x, targets=y, loss=F.cross_entropy)
    F.cross_entropy(model(x), y).backward()
    for row, layer in zip(result.kernels, [model[0], model[2], model[4], model[6]], strict=True):
        assert row.gradient is not None
        assert row.gradient == pytest.approx(layer.weight.grad.norm().item(), rel=1e-5)
        assert row.weight_norm == pytest.approx(layer.weight.detach().norm().item(), rel=1e-5)


def test_batches_merge_to_what_one_batch_shows() -> None:
    model = mlp(2)
    x = torch.randn(300, 32) + 3
    whole = probe(model, x, samples=300).activations
    parts = probe(model, [x[:100], x[100:130], x[130:]], samples=300).activations
    for a, b in zip(whole, parts, strict=True):
        assert (a.samples, a.dead, a.maximum, a.minimum) == (
            b.samples,
            b.dead,
            b.maximum,
            b.minimum,
        )
        assert (a.mean, a.std, a.signal) == pytest.approx((b.mean, b.std, b.signal), rel=1e-5)


def test_a_small_spread_about_a_large_mean_keeps_its_digits() -> None:
    model = Pick(nn.Tanh(), 3, torch.full((3,), 1000.0))
    row = probe(model, torch.randn(512, 3) * 0.01).activations[0]
    assert abs(row.signal - 1e-5) < 1e-6


def test_units_stand_last_after_linear_layers() -> None:
    model = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 3))
    assert probe(model, torch.randn(8, 9, 9, 6)).activations[0].units == 7
    conv = nn.Sequential(nn.Conv1d(6, 7, 1), nn.ReLU(), nn.Flatten(), nn.Linear(63, 3))
    assert probe(conv, torch.randn(8, 6, 9)).activations[0].units == 7


def test_a_written_out_swish_is_no_sigmoid() -> None:
    result = probe(Pick(Function(lambda x: x * torch.sigmoid(x)), 4), torch.randn(32, 4) * 50)
    assert [a.kind for a in result.activations] == ["silu"]
    assert [f.name for f in result.report.findings if f.name == "saturation"] == []


def test_what_the_model_returns_is_marked() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid(), nn.Flatten(0))
    result = probe(model, torch.randn(20, 3) * 100)
    assert [a.at_output for a in result.activations] == [False, True]


def test_what_is_fused_is_said_to_be_out_of_sight() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(4, 5, batch_first=True)
            self.act = nn.ReLU()
            self.head = nn.Linear(5, 2)

        def forward(self, x):
            return self.head(self.act(self.lstm(x)[0][:, -1]))

    result = probe(Recurrent(), torch.randn(8, 6, 4))
    assert [(u.layer, u.reason.split(":")[0]) for u in result.not_observable] == [
        ("lstm", "fused recurrent layer")
    ]
