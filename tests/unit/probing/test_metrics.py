from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.domain.finding import Severity
from bnlint.layers.regions import moved_kinds, regions
from bnlint.probing.judging.gradient_metrics import limit
from bnlint.probing.judging.metric import metrics
from bnlint.probing.probe_model import probe
from tests.unit.probing.nets import Pick, ResNet, mlp


def names(result, *severities: str) -> list[str]:
    wanted = severities or ("error", "warning")
    return [f.name for f in result.report.findings if f.severity.value in wanted]


def the(result, name: str):
    return next(f for f in result.report.findings if f.name == name)


def test_healthy_nets_are_silent() -> None:
    torch.manual_seed(0)
    images = torch.randn(256, 3, 12, 12)
    healthy = [
        (mlp(6, 64), torch.randn(512, 64)),
        (mlp(4, 64, nn.SiLU), torch.randn(512, 64)),
        (mlp(3, 64, nn.GELU), torch.randn(512, 64)),
        (ResNet(16, 3), images),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(), nn.Flatten(),
                       nn.Linear(800, 5)), images),
    ]  # fmt: skip
    for model, x in healthy:
        assert names(probe(model, x)) == []
    assert names(probe(ResNet(16, 3), inputs="1x3x16x16")) == []


def test_dead_units_are_counted_exactly() -> None:
    bias = torch.tensor([-100.0, -100, -100, 100, 0, 0, 0, 0])
    x = torch.randn(300, 8).clamp(-9, 9)
    row = probe(Pick(nn.ReLU(), 8, bias), x).activations[0]
    assert (row.dead, row.always_on, row.frozen) == (3 / 8, 1 / 8, 0.5)
    assert (row.dead_units, row.always_on_units) == ((0, 1, 2), (3,))
    assert the(probe(Pick(nn.ReLU(), 8, bias), x), "dead-units").severity is Severity.INFO
    worse = torch.tensor([-100.0] * 5 + [0.0] * 3)
    found = the(probe(Pick(nn.ReLU(), 8, worse), x), "dead-units")
    assert found.severity is Severity.WARNING
    assert found.evidence.values["dead"] == 5 / 8
    assert found.rule == "probe/dead-units"


def test_one_positive_value_revives_a_unit() -> None:
    x = -torch.rand(300, 4) - 1
    x[17, 2] = 0.001
    assert probe(Pick(nn.ReLU(), 4), x).activations[0].dead_units == (0, 1, 3)


def test_a_unit_that_another_branch_reads_is_not_dead() -> None:
    class Both(Pick):
        def forward(self, x):
            h = self.linear(x)
            return self.head(self.act(h) + h)

    assert probe(Both(nn.ReLU(), 4), -torch.rand(300, 4) - 1).activations[0].dead == 0


def test_a_dead_layer_is_an_error_and_few_samples_weaken_it() -> None:
    model = Pick(nn.ReLU(), 4, torch.full((4,), -100.0))
    assert the(probe(model, torch.randn(256, 4)), "dead-layer").severity is Severity.ERROR
    few = probe(model, torch.randn(64, 4))
    assert "dead-layer" not in names(few, "error", "warning", "info")
    assert "inactive on these few samples" in the(few, "dead-units").message


def test_units_that_never_switch_make_a_layer_linear() -> None:
    bias = torch.tensor([-100.0] * 5 + [100.0] * 5)
    found = the(probe(Pick(nn.ReLU(), 10, bias), torch.randn(300, 10)), "frozen-units")
    assert found.evidence.values["frozen"] == 1.0


@pytest.mark.parametrize(("spread", "severity"), [(1e-3, "warning"), (1e-5, "error"), (0.1, None)])
def test_a_signal_that_collapses(spread: float, severity: str | None) -> None:
    x = 1 + spread * torch.randn(300, 6)
    result = probe(Pick(nn.SiLU(), 6), x)
    assert result.activations[0].signal == pytest.approx(spread, rel=0.1)
    found = [f.severity.value for f in result.report.findings if f.name == "signal-collapse"]
    assert found == ([severity] if severity else [])


def test_noise_images_are_no_collapsed_signal() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(4, 2))  # fmt: skip
    result = probe(model, torch.randn(16, 3, 128, 128))
    assert "signal-collapse" not in names(result)
    assert result.activations[0].signal > 0.5


def test_saturation_counts_values_and_spares_the_output() -> None:
    x = torch.cat([torch.full((60, 4), 10.0), torch.zeros(40, 4)]) + 0.01 * torch.randn(100, 4)
    result = probe(Pick(nn.Sigmoid(), 4), x)
    assert result.activations[0].saturated == pytest.approx(0.6)
    assert the(result, "saturation").evidence.values["saturated"] == pytest.approx(0.6)
    assert "saturation" not in names(probe(nn.Sequential(nn.Linear(4, 4), nn.Sigmoid()), 1e3 * x))


def test_the_inactive_share_informs_and_never_says_dead() -> None:
    x = torch.randn(1000, 4) - 1.9
    found = the(probe(Pick(nn.ReLU(), 4), x), "inactive-share")
    assert found.severity is Severity.INFO
    assert "dead" not in found.message


def test_regions_are_where_the_slope_is_a_tenth() -> None:
    names = [n for n in regions() if n not in {"relu", "relu6", *moved_kinds()}]
    functions = {n: getattr(F, n) for n in names}
    x = torch.linspace(-15, 15, 300_001, dtype=torch.float64, requires_grad=True)
    for name, function in functions.items():
        (slope,) = torch.autograd.grad(function(x).sum(), x)
        steep = x.detach()[slope.abs() >= 0.1 * slope.abs().max()]
        low, high = regions()[name].low, regions()[name].high
        assert float(steep.min()) == pytest.approx(-15 if low is None else low, abs=2e-3), name
        assert float(steep.max()) == pytest.approx(15 if high is None else high, abs=2e-3), name


def scaled(depth: int, factor: float) -> nn.Sequential:
    """A chain without activations but the last, whose gradient ratio is known."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(8, 8, bias=False)
        with torch.no_grad():
            linear.weight.copy_(torch.eye(8) * factor)
        layers.append(linear)
    return nn.Sequential(nn.ReLU(), *layers)


def test_the_gradient_ratio_is_that_of_the_chain() -> None:
    class Outer(nn.Module):
        """A loss that is linear in the output: every kernel's gradient has the same norm."""

        def __init__(self, gain: float) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(6, 6, bias=False), nn.Linear(6, 1, bias=False)
            self.act = nn.Tanh()
            self.gain = gain

        def forward(self, x):
            return self.last(self.act(self.first(x) * self.gain) / self.gain)

    def ratio(gain: float) -> float:
        torch.manual_seed(0)
        result = probe(Outer(gain), torch.randn(64, 6), loss=lambda out: out.mean())
        assert result.gradient_ratio is not None
        return result.gradient_ratio

    assert ratio(1e-3) == pytest.approx(ratio(1e-4), rel=1e-3)


def test_vanishing_and_exactly_zero_gradients() -> None:
    torch.manual_seed(0)
    deep = mlp(12, 32, he=False)
    found = the(probe(deep, torch.randn(256, 32)), "signal-collapse")
    (vanishing,) = [r for r in found.related if r.message.startswith("gradient-vanishing")]
    assert "exactly zero" not in vanishing.message
    with torch.no_grad():
        deep[0].bias.fill_(-1e4)
    found = the(probe(deep, torch.randn(256, 32)), "dead-layer")
    assert found.severity is Severity.ERROR
    assert any("exactly zero" in r.message for r in found.related)


def test_a_head_that_starts_at_zero_is_no_vanishing_gradient() -> None:
    model = mlp(3)
    nn.init.zeros_(model[-1].weight)
    result = probe(model, torch.randn(256, 32))
    assert result.kernels[0].gradient == 0
    assert names(result) == []


def test_exploding_gradients_and_what_norms_explain() -> None:
    torch.manual_seed(0)
    deep = mlp(12, 32)
    with torch.no_grad():
        for linear in list(deep)[::2]:
            linear.weight *= 2
    x = torch.randn(256, 32)
    result = probe(deep, x, loss=lambda out: (out / out.detach().norm()).square().sum())
    assert limit(result) == 70
    normed = nn.Sequential(*(
        m for _ in range(30) for m in (nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU())
    ), nn.Linear(32, 10))  # fmt: skip
    result = probe(normed, x)
    assert limit(result) == pytest.approx(10 * 1.21**31)
    assert "gradient-explosion" not in names(result)


def test_non_finite_values_name_where_they_began() -> None:
    model = mlp(3)
    with torch.no_grad():
        model[2].weight[0, 0] = float("inf")
    found = the(probe(model, torch.randn(300, 32)), "non-finite")
    assert (found.layer, found.severity) == ("2", Severity.ERROR)
    assert "`2.weight` holds inf" in found.message


def test_half_precision_headroom() -> None:
    class Half(nn.Module):
        def __init__(self, top: float) -> None:
            super().__init__()
            self.linear, self.act, self.top = nn.Linear(4, 4), nn.ReLU(), top

        def forward(self, x):
            h = self.linear(x)
            h = h / h.detach().abs().max() * self.top
            return self.act(h.half()).float()

    def found(top: float) -> list[str]:
        result = probe(Half(top), torch.randn(64, 4))
        return [f.severity.value for f in result.report.findings if f.name == "half-headroom"]

    assert (found(100.0), found(20000.0), found(65504.0)) == ([], ["warning"], ["error"])


def norm_first(**how) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(4, **how), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def test_channels_of_low_variance() -> None:
    x = torch.randn(300, 4) * torch.tensor([1.0, 1e-3, 1e-3, 1.0])
    result = probe(norm_first(), x)
    assert result.norms[0].low_variance == 0.5
    assert "norm-low-variance" in names(result)
    assert "norm-low-variance" not in names(probe(norm_first(eps=1e-9), x))


@pytest.mark.parametrize(
    ("shift", "scale", "drifts"), [(0, 1, False), (0.8, 1, True), (0, 3, True)]
)
def test_drift_of_running_statistics(shift: float, scale: float, drifts: bool) -> None:
    torch.manual_seed(0)
    model, x = norm_first(), torch.randn(2000, 4)
    with torch.no_grad():
        model[0].running_mean.copy_(x.mean(0))
        model[0].running_var.copy_(x.var(0))
    assert "norm-drift" not in names(probe(model, x * scale + shift, samples=2000))
    model[0].num_batches_tracked.fill_(100)
    result = probe(model, x * scale + shift, samples=2000)
    assert ("norm-drift" in names(result)) is drifts
    row = result.norms[0]
    assert row.drift_mean == pytest.approx(shift, abs=0.08)
    assert 2**row.drift_variance == pytest.approx(scale**2, rel=0.05)


def test_the_gap_between_train_and_eval() -> None:
    torch.manual_seed(0)
    model, x, y = norm_first(), torch.randn(300, 4), torch.randint(3, (300,))
    assert "train-eval-gap" not in names(probe(model, x))
    model[0].num_batches_tracked.fill_(100)
    model[0].running_mean.fill_(50.0)
    result = probe(model, x, targets=y, loss=F.cross_entropy)
    assert result.gap is not None
    assert result.gap.output > 0.5
    assert "train-eval-gap" in names(result)
    assert "train-eval-gap" not in names(probe(model, inputs="1x4"))


def test_dropout_is_no_gap() -> None:
    model = nn.Sequential(norm_first(), nn.Dropout(0.9))
    x = torch.randn(500, 4)
    model[0][0].momentum = 1.0
    model(x)
    assert probe(model, x, samples=500).gap.output < 0.05


def test_noise_of_small_batches() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*norm_first(), nn.BatchNorm1d(3))
    small = probe(model, [torch.randn(4, 4) for _ in range(64)])
    large = probe(model, [torch.randn(256, 4) for _ in range(2)], samples=512)
    assert small.batch_size == 4
    assert small.batch_noise > 0.25 > large.batch_noise
    assert "norm-batch-noise" in names(small, "info")
    assert probe(mlp(1), [torch.randn(4, 32)] * 3).batch_noise is None


def test_a_norm_that_a_batch_of_one_breaks() -> None:
    assert "norm-batch-of-one" in names(probe(norm_first(), torch.randn(8, 4)), "info")
    assert "norm-batch-of-one" not in names(probe(ResNet(), torch.randn(8, 3, 8, 8)), "info")


def test_every_metric_says_what_it_is() -> None:
    assert len({m.name for m in metrics()}) == len(metrics()) == 33
    for metric in metrics():
        said = (metric.definition, metric.default, metric.why, metric.remedy, metric.source)
        assert all(said), metric.name
