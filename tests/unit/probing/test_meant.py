"""What looks like a fault and is none, and how grave a verdict is where it may be meant."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bnlint.domain.finding import Severity
from bnlint.probing.probe_model import probe


class AlongTheBatch(nn.Module):
    """A recurrent layer with the sequence first."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.gru, self.head, self.last = nn.GRU(6, 16), nn.Linear(16, 4), last

    def forward(self, x: Tensor) -> Tensor:
        out = self.gru(x)[0]
        return self.head(out[:, -1] if self.last else out)


def test_a_sequence_may_come_first_where_nothing_speaks_against_it() -> None:
    """Its result keeps both dimensions, and there are not many more rows than columns."""
    torch.manual_seed(0)
    leaks = [
        next(f for f in probe(net, x).report.findings if f.name == "sample-leak")
        for net, x in (
            (AlongTheBatch(last=False), torch.randn(12, 64, 6)),
            (AlongTheBatch(last=True), torch.randn(64, 12, 6)),
            (AlongTheBatch(last=False), torch.randn(64, 12, 6)),
        )
    ]
    assert [f.severity for f in leaks] == [Severity.INFO, Severity.ERROR, Severity.ERROR]
    assert "is the sequence" in leaks[0].message


def test_only_part_of_a_table_that_is_the_same_is_information() -> None:
    x = torch.randn(256, 8)
    x[:, :4] = 1.0
    found = [f for f in probe(nn.Linear(8, 3), x).report.findings if f.name == "input-scale"]
    assert [f.severity for f in found] == [Severity.INFO]
    assert "50 % of the features" in found[0].message


def test_an_input_may_be_too_small_too() -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    x = torch.randn(256, 8)

    def first(factor: float) -> list[str]:
        return [f.name for f in probe(net, factor * x).report.findings[:1]]

    assert first(1e-5) == first(100.0) == ["input-scale"]
    assert "input-scale" not in first(0.01) + first(1.0)


def test_a_large_eps_is_no_low_variance() -> None:
    def share(eps: float, scale: float) -> float:
        net = nn.Sequential(nn.BatchNorm1d(8, eps=eps), nn.Linear(8, 3))
        return probe(net, scale * torch.randn(256, 8)).norms[0].low_variance

    assert share(1e-3, 0.07) == 0
    assert share(1e-3, 0.02) == 1
    assert share(1e-5, 0.005) == 1
    assert share(1.0, 0.5) == 1


def test_a_layer_without_an_active_unit_is_the_cause_on_few_samples_too() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    nn.init.constant_(net[2].bias, -30.0)
    found = probe(net, torch.randn(64, 8)).report.findings
    assert found[0].name == "dead-units"
    assert found[0].severity is not Severity.INFO
    assert "inactive on these few samples" in found[0].message
    assert all(f.severity is Severity.INFO for f in found[1:])
