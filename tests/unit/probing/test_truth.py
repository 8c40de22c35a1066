"""What the probe prints against a reference: plain hooks, everything in double precision."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnlint.domain.probe import ProbeResult
from bnlint.probing.probe_model import probe
from tests.unit.probing.nets import mlp

CLOSE = 0.03


class Reference:
    """What enters each activation module, batch by batch, by forward pre-hooks."""

    def __init__(self, model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> None:
        self.values: dict[str, list[Tensor]] = {}
        for name, module in model.named_modules():
            if isinstance(module, kinds):
                module.register_forward_pre_hook(self._keeping(name))

    def _keeping(self, name: str):
        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
            self.values.setdefault(name, []).append(given[0].detach().double().clone())

        return hook

    def figures(self, name: str) -> tuple[float, float, float]:
        """Mean, deviation, and the spread between samples over the root mean square."""
        x = torch.cat(self.values[name])
        spread = x.var(0, correction=0).mean().sqrt()
        return float(x.mean()), float(x.std(correction=0)), float(spread / x.square().mean().sqrt())


def compare(model: nn.Module, batches: list[Tensor], *kinds: type[nn.Module]) -> ProbeResult:
    """Every figure of the probe is within 3 % of the reference; a mean, of the deviation."""
    result = probe(model, batches, samples=sum(map(len, batches)))
    reference = Reference(model, kinds)
    model.train()
    for batch in batches:
        model(batch.clone())
    assert {a.layer for a in result.activations} == set(reference.values)
    for a in result.activations:
        mean, deviation, signal = reference.figures(a.layer)
        assert a.mean == pytest.approx(mean, abs=CLOSE * deviation), a.layer
        assert a.std == pytest.approx(deviation, rel=CLOSE), a.layer
        assert a.signal == pytest.approx(signal, rel=CLOSE), a.layer
        x = torch.cat(reference.values[a.layer])
        top = x.amax([d for d in range(x.ndim) if d != 1])
        assert a.dead is None or a.dead == pytest.approx(float((top <= 0).double().mean())), a.layer
    return result


def borders(size: int) -> nn.Sequential:
    """Convolutions whose padding makes the borders of their maps unlike the rest."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 7, padding=3), nn.ReLU(), nn.Conv2d(8, 8, 7, 2, padding=3), nn.ReLU(),
        nn.Conv2d(8, 8, 7, padding=3), nn.Tanh(), nn.Flatten(),
        nn.Linear(8 * (size // 2) ** 2, 4),
    )  # fmt: skip
    with torch.no_grad():
        for layer in (net[0], net[2], net[4]):
            layer.weight.abs_()
    return net


@pytest.mark.parametrize("size", [12, 14, 30])
def test_feature_maps_are_measured_as_a_whole(size: int) -> None:
    torch.manual_seed(size)
    images = 2 + torch.rand(48, 1, 1, 1) * torch.rand(48, 3, size, size)
    compare(borders(size), [images[:16], images[16:]], nn.ReLU, nn.Tanh)


def test_a_map_whose_memory_is_laid_out_otherwise() -> None:
    torch.manual_seed(0)
    net = borders(20).to(memory_format=torch.channels_last)
    images = torch.randn(8, 3, 20, 20).to(memory_format=torch.channels_last)
    compare(net, [images], nn.ReLU, nn.Tanh)
    compare(net, [images.permute(0, 1, 3, 2)], nn.ReLU, nn.Tanh)


def test_a_large_mean_keeps_the_digits_of_a_small_spread() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.SiLU())
    nn.init.constant_(net[0].weight, 1 / 27)
    images = 1000 + torch.randn(16, 1, 1, 1).expand(16, 3, 20, 20)
    compare(net, [images], nn.SiLU)


def test_rows_are_exact() -> None:
    torch.manual_seed(0)
    compare(mlp(3, 32), [torch.randn(100, 32), torch.randn(60, 32)], nn.ReLU)


def test_half_of_the_numbers_are_no_numbers_in_the_json() -> None:
    net = mlp(2)
    with torch.no_grad():
        net[2].weight[0, 0], net[2].weight[1, 1] = float("inf"), float("nan")
    document = json.loads(probe(net, torch.randn(64, 32)).to_json(), parse_constant=_refused)
    assert document["probe"]["report"]["findings"][0]["name"] == "non-finite"


def _refused(word: str) -> float:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.parametrize("momentum", [0.1, 0.99, None])
def test_the_gap_is_that_of_the_statistics_before_anything_ran(momentum: float | None) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16, momentum=momentum), nn.ReLU(),
                        nn.Linear(16, 3))  # fmt: skip
    x, y = 3 + torch.randn(200, 8), torch.randint(3, (200,))
    result = probe(net, x, targets=y, loss=F.cross_entropy)
    with torch.no_grad():
        net.eval()
        without = net(x)
        net.train()
        within = net(x)
    spread = (within - within.mean(0)).square().mean().sqrt()
    expected = float((within - without).square().mean().sqrt() / spread)
    assert result.gap.output == pytest.approx(expected, rel=1e-3)


def test_every_experiment_begins_with_the_state_as_it_was() -> None:
    """A counter that each forward raises is the same at the start of each of them."""

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(1)
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            counts.append(float(self.count))
            self.count += 1
            return self.net(x)

    counts: list[float] = []
    net = Counting()
    probe(net, torch.randn(40, 32))
    assert float(net.count) == 0
    assert counts.count(0.0) >= 5
    assert max(counts) == 2  # three forwards at most belong to one experiment


def test_group_norms_are_judged_by_their_groups() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.act, self.head = nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.act(self.norm(x)))

    offsets = torch.tensor([0.0, 5, 0, 0])[:, None, None]
    x = 1e-4 * torch.randn(64, 4, 6, 6) + offsets  # the first group differs between its channels
    result = probe(Grouped(), x)
    assert result.norms[0].low_variance == 0.5
    low = [f for f in result.report.findings if f.name == "norm-low-variance"]
    assert low[0].severity.value == "warning"
    assert probe(Grouped(), torch.randn(64, 4, 6, 6)).norms[0].low_variance == 0


def test_noise_behind_a_global_pooling_says_nothing_of_the_net() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4),
    )  # fmt: skip
    result = probe(net, inputs="256x3x48x48")
    assert [a.pooled for a in result.activations] == [False, True]
    assert [f.name for f in result.report.findings if f.severity.value != "info"] == []


def normed(factor: float) -> nn.Sequential:
    """A net whose layers before norms have weights of this scale."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(32, 64)]
    for _ in range(4):
        layers += [nn.Linear(64, 64, bias=False), nn.LayerNorm(64), nn.GELU()]
    net = nn.Sequential(*layers, nn.Linear(64, 8))
    with torch.no_grad():
        for layer in net[1:-1:3]:
            layer.weight *= factor
    return net


def test_the_scale_of_weights_behind_norms_is_no_vanishing_gradient() -> None:
    x = torch.randn(256, 32)
    plain, small, large = (probe(normed(factor), x) for factor in (1.0, 0.1, 20.0))
    assert small.sensitivity_ratio == pytest.approx(plain.sensitivity_ratio, rel=0.1)
    assert large.sensitivity_ratio == pytest.approx(plain.sensitivity_ratio, rel=0.1)
    assert large.kernels[2].ratio < 0.01 * plain.kernels[2].ratio
    for result in (plain, small, large):
        found = {f.name for f in result.report.findings}
        assert not {"gradient-vanishing", "gradient-explosion"} & found


def test_a_small_output_layer_is_no_vanishing_gradient() -> None:
    torch.manual_seed(0)
    net = mlp(3)
    with torch.no_grad():
        net[-1].weight *= 1e-3
    result = probe(net, torch.randn(256, 32))
    assert "gradient-vanishing" not in [f.name for f in result.report.findings]


def test_rounding_is_no_signal() -> None:
    """What is left of a difference that should be zero is not what samples differ in."""

    class Cancelled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.act, self.two = nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            h = self.one(x)
            return self.two(self.act((h + 3.3) - h))

    found = probe(Cancelled(), torch.randn(256, 8)).report.findings
    collapse = next(f for f in found if f.name == "signal-collapse")
    assert collapse.evidence.values["signal"] == 0


def test_an_exact_zero_is_told_from_a_small_gradient() -> None:
    net = mlp(3)
    with torch.no_grad():
        net[2].bias.fill_(-100.0)
    result = probe(net, torch.randn(256, 32))
    assert result.sensitivity_ratio == 0
    assert next(f.name for f in result.report.findings) == "dead-layer"
    assert math.isfinite(result.kernels[0].weight_norm)
