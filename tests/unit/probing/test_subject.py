"""What counts as an activation of data, what as a kernel, and what stands for a row of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.domain.probe_rows import KernelStats, ends, gradient_ratio
from bnlint.probing.observing.measure import Scratch, activation
from bnlint.probing.observing.subjects import Gates
from bnlint.probing.probe_model import probe
from tests.unit.probing.nets import mlp


class Net(nn.Module):
    """Two linear layers and in between what a test says."""

    def __init__(self, between) -> None:
        super().__init__()
        self.a, self.b, self.between = nn.Linear(8, 16), nn.Linear(16, 4), between
        self.gate = nn.Parameter(torch.zeros(16))
        self.register_buffer("low", torch.zeros(16))
        self.table = nn.Sequential(nn.Linear(2, 16), nn.ReLU())

    def forward(self, x):
        return self.b(self.between(self, torch.relu(self.a(x))))


@pytest.mark.parametrize(
    "between",
    [
        lambda m, h: h * torch.sigmoid(m.gate),
        lambda m, h: h * F.softplus(m.gate * 2 + 1),
        lambda m, h: h + torch.tanh(-m.gate.view(1, 16).expand(4, 16)[0]),
    ],
)
def test_what_is_made_of_weights_alone_is_no_activation_of_data(between) -> None:
    result = probe(Net(between), torch.randn(300, 8))
    assert [a.kind for a in result.activations] == ["relu"]
    assert [f.name for f in result.report.findings] == ["no-gradient"]  # of its unused layer


def test_a_table_of_positions_has_no_samples_to_compare() -> None:
    net = Net(lambda m, h: h + m.table(torch.ones(1, 2)))
    rows = {a.layer: a for a in probe(net, [torch.randn(150, 8)] * 2).activations}
    assert rows["table.1"].signal is None
    assert rows["table.1"].dead is not None
    assert rows["relu()"].signal is not None
    assert "signal-collapse" not in str(probe(net, torch.randn(300, 8)))


def test_rows_that_do_not_go_by_the_samples_are_still_measured() -> None:
    net = Net(lambda m, h: F.relu(h.repeat(3, 1)[:-7]).sum(0) + h)
    assert len(probe(net, torch.randn(64, 8)).activations) == 2


def test_bounds_that_are_tensors_are_not_looked_into() -> None:
    for way in (
        lambda m, h: torch.clamp(h, min=m.low),
        lambda m, h: torch.clamp(h, m.low, m.low + 6),
        lambda m, h: h.clip_(m.low),
    ):
        result = probe(Net(way), torch.randn(32, 8))
        assert [a.layer for a in result.activations][:1] == ["relu()"]
    assert len(probe(Net(lambda m, h: h.clip_(0)), torch.randn(32, 8)).activations) == 2


def test_a_gate_is_told_from_a_swish_when_memory_is_used_again() -> None:
    gates = Gates()
    x = torch.randn(4, 3)
    out = torch.sigmoid(x)
    reading = activation(x, 1, ("s", 0), "sigmoid", {}, Scratch())
    gates.note(reading, x, out)
    del x
    gates.multiplied((None, out))
    assert (reading.kind, reading.is_gate) == ("sigmoid", True)


def test_what_cannot_be_reduced_is_said_not_to_be_observable() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(1)

        def forward(self, x):
            torch.vmap(torch.tanh)(x)
            F.relu(x.long())
            return self.body(x + torch.tanh(x.to(torch.complex64)).abs())

    reasons = {u.layer: u.reason for u in probe(Odd(), torch.randn(8, 32)).not_observable}
    assert "int64" in reasons["relu()"]
    assert "torch.func" in reasons["tanh()"]


@pytest.mark.parametrize(
    "kernel",
    [
        nn.utils.parametrizations.weight_norm,
        lambda m: Cast(m.in_features, m.out_features),
    ],
)
def test_a_weight_that_is_made_anew_is_one_kernel_over_all_batches(kernel) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(kernel(nn.Linear(8, 16)), nn.ReLU(), nn.Linear(16, 4))
    x, y = torch.randn(64, 8), torch.randint(4, (64,))
    one = probe(model, [(x, y)], loss=F.cross_entropy).kernels
    many = probe(model, [(x, y)] * 3, loss=F.cross_entropy, samples=192).kernels
    assert [k.layer for k in many] == [k.layer for k in one] == ["0", "2"]
    for a, b in zip(one, many, strict=True):
        assert b.gradient == pytest.approx(a.gradient, rel=1e-4)


class Cast(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight * 1.5, self.bias)


def test_products_with_a_parameter_are_kernels() -> None:
    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Parameter(torch.randn(8, 16))
            self.two, self.bias = nn.Parameter(torch.randn(16, 4)), nn.Parameter(torch.zeros(4))

        def forward(self, x):
            h = torch.relu(x @ self.one)
            return torch.addmm(self.bias, h, self.two) + (h @ h.t())[:, :4]

    kernels = probe(Written(), torch.randn(32, 8)).kernels
    assert [k.layer for k in kernels] == ["matmul()", "addmm()"]
    assert all(k.gradient for k in kernels)


def test_batches_of_other_widths_are_told_apart() -> None:
    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(8, 1)

        def forward(self, x):
            return torch.relu(self.a(x).squeeze(-1)).sum(1)

    result = probe(Scores(), [torch.randn(40, 5, 8), torch.randn(40, 7, 8)])
    assert result.activations[0].units == 5


def stats(layer: str, gradient: float, stage: int) -> KernelStats:
    return KernelStats(layer, "linear", 1.0, gradient, True, stage)


def test_the_strongest_of_kernels_that_read_one_tensor_stands_for_them() -> None:
    rows = [stats("q", 1e-9, 1), stats("v", 0.5, 1), stats("up", 1.0, 2), stats("head", 1.0, 3)]
    found = ends(rows)
    assert found is not None
    assert [k.layer for k in found] == ["v", "head"]
    assert gradient_ratio(rows) == 0.5
    assert ends(rows[:2]) is None
    assert gradient_ratio([stats("a", 1e-9, 0), stats("b", 1.0, 0)]) == 1e-9


def test_a_query_that_gets_little_gradient_is_no_vanishing_gradient() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(16, 16) for _ in range(3))
            self.act, self.head = nn.GELU(), nn.Linear(16, 4)
            for layer in (self.q, self.k, self.v):
                nn.init.normal_(layer.weight, std=0.02)

        def forward(self, x):
            shares = (self.q(x) @ self.k(x).transpose(1, 2) / 4).softmax(-1)
            return self.head(self.act(shares @ self.v(x)).mean(1))

    result = probe(Attention(), torch.randn(64, 6, 16))
    q, _, v, head = result.kernels
    assert q.gradient is not None
    assert v.gradient is not None
    assert q.gradient < v.gradient / 100
    assert result.gradient_ratio == pytest.approx(v.ratio / head.ratio)
