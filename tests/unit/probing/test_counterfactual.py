from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.probing.probe_model import probe
from tests.unit.probing.nets import ResNet, mlp


def variants(model: nn.Module, x: torch.Tensor, **how):
    result = probe(model, x, compare=True, **{"steps": 3, **how})
    assert result.comparison is not None
    return {v.name: v for v in result.comparison.variants}


def with_norms(place: str, weights: nn.Sequential) -> nn.Sequential:
    """The same weights with real norms in it."""
    layers: list[nn.Module] = []
    for layer in weights:
        is_act = isinstance(layer, nn.ReLU)
        if is_act and place == "before":
            layers.append(nn.BatchNorm1d(16))
        layers.append(layer)
        if is_act and place == "after":
            layers.append(nn.BatchNorm1d(16))
    return nn.Sequential(*layers)


def trained(model: nn.Module, x: torch.Tensor, y: torch.Tensor, rate: float) -> list[float]:
    optimizer = torch.optim.SGD(model.parameters(), rate)
    losses = []
    for _ in range(4):
        loss = F.cross_entropy(model(x), y)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize("place", ["none", "before", "after"])
def test_a_variant_is_the_model_with_real_norms(place: str) -> None:
    def fresh() -> nn.Sequential:
        torch.manual_seed(0)
        return mlp(3, 16)

    x, y = torch.randn(64, 16), torch.randint(10, (64,))
    written = variants(with_norms("after", fresh()), x, targets=y, loss=F.cross_entropy)
    added = variants(fresh(), x, targets=y, loss=F.cross_entropy)
    for found in (written[place], added[place]):
        assert found.norms == (0 if place == "none" else 3)
        for curve in found.curves:
            real = trained(with_norms(place, fresh()), x, y, curve.rate)
            assert curve.losses == pytest.approx(real, rel=1e-4)


def test_as_written_is_the_model_itself() -> None:
    model, x = ResNet(), torch.randn(16, 3, 8, 8)
    found = variants(model, x)
    plain = probe(model, x)
    assert found["as-written"].activations == plain.activations
    assert found["as-written"].norms == len(plain.norms) == 5
    assert found["none"].norms == 0
    assert found["before"].norms == found["after"].norms == 5
    assert not any(v.error for v in found.values())


def test_outputs_and_gates_get_no_norm() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.gate, self.head = nn.Linear(6, 8), nn.Linear(6, 8), nn.Linear(8, 1)

        def forward(self, x):
            h = torch.relu(self.body(x)) * torch.sigmoid(self.gate(x))
            return torch.sigmoid(self.head(h))

    assert variants(Gated(), torch.randn(32, 6))["before"].norms == 1


def test_units_last_are_normed_as_units() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    found = variants(model, torch.randn(20, 7, 6))["before"]
    assert found.norms == 1
    assert found.activations[0].units == 8
    assert found.activations[0].mean == pytest.approx(0, abs=1e-5)


def test_a_broken_net_is_repaired_by_a_norm_before_and_not_by_one_after() -> None:
    torch.manual_seed(0)
    model = mlp(6, 32)
    with torch.no_grad():
        for layer in list(model)[:-1:2]:
            layer.bias.fill_(-3.0)
    found = variants(model, torch.randn(300, 32), steps=1)
    dead = {name: sum(a.dead for a in v.activations) / 6 for name, v in found.items()}
    assert dead["none"] > 0.5
    assert dead["before"] == 0
    assert found["after"].activations[0].dead == found["none"].activations[0].dead > 0


def test_a_variant_that_cannot_run_says_so() -> None:
    class Picky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.b = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)

        def forward(self, x):
            h = self.norm(self.a(x))
            if h.mean().abs() > 1e-3:
                raise ValueError("not normalised")
            return self.b(torch.relu(h))

    x = torch.randn(64, 4) + 50
    assert "train against eval" in probe(Picky(), x).notes[0]
    found = variants(Picky(), x)
    assert "not normalised" in found["none"].error
    assert len(found["as-written"].activations) == 1
