"""One cause, one line: of sick nets the cause comes first, of healthy ones nothing is said."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.probe_verdicts.healthy_kinds import HEALTHY
from benchmarks.probe_verdicts.sick import mlp, rows
from benchmarks.probe_verdicts.sick_losses import SICK
from bnlint.domain.finding import Severity
from bnlint.probing.probe_model import probe


@pytest.mark.parametrize("name", SICK)
def test_the_cause_is_named_first(name: str) -> None:
    torch.manual_seed(0)
    case = SICK[name]()
    found = probe(case.model, case.data, **case.options).report.findings
    assert found[0].name in case.causes
    assert found[0].severity is not Severity.INFO


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_net_gets_no_warning(name: str) -> None:
    torch.manual_seed(0)
    model, data, options = HEALTHY[name]()
    found = probe(model, data, **options).report.findings
    assert [f.message for f in found if f.severity is not Severity.INFO] == []


def test_what_follows_is_counted_under_its_cause() -> None:
    net, (x, y) = mlp(4), rows()
    nn.init.constant_(net[2].bias, -50.0)
    found = probe(net, x, targets=y).report.findings
    assert [f.name for f in found] == ["dead-layer"]
    assert found[0].severity is Severity.ERROR
    assert "fed by `2`" in found[0].message
    followers = {r.message.partition(":")[0] for r in found[0].related}
    assert {"signal-collapse", "gradient-vanishing"} <= followers
    assert f"{len(found[0].related)} findings further on follow from it" in found[0].message


def test_two_faults_are_two_findings_in_the_order_in_which_they_begin() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(32, 64), nn.Linear(64, 8)
            self.spare = nn.Linear(8, 8)
            nn.init.constant_(self.one.weight, 0.05)

        def forward(self, x):
            h = self.two(torch.tanh(self.one(x)))
            return torch.softmax(h, 0) + self.spare(h).detach()

    found = probe(Both(), rows()[0]).report.findings
    serious = [f.name for f in found if f.severity is not Severity.INFO]
    assert serious[0] == "identical-units"
    assert set(serious[1:]) == {"sample-leak", "no-gradient"}


def test_a_live_model_points_at_the_users_line_or_nowhere() -> None:
    net = mlp(2)
    nn.init.constant_(net[0].bias, -50.0)
    (found,) = probe(net, rows()[0]).report.findings
    assert found.location.path == "<model>"

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(32, 64), nn.Linear(64, 8)
            nn.init.constant_(self.one.bias, -50.0)

        def forward(self, x):
            h = self.one(x)
            return self.two(torch.relu(h))

    (found,) = probe(Own(), rows()[0]).report.findings
    assert found.location.path == __file__
    assert found.location.line == Own.forward.__code__.co_firstlineno + 2
