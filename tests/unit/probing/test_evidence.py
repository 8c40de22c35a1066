from __future__ import annotations

import torch
from torch import nn

from bnlint.domain.finding import Finding, Measurable, Related, Report, Severity
from bnlint.domain.graph import Location
from bnlint.domain.rule import MEASURES
from bnlint.probing.judging.evidence import EVIDENCE, attach_evidence
from bnlint.probing.probe_model import probe


class Net(nn.Module):
    """Act before norm with three dead units, a redundant bias, and a norm that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.bn = nn.Conv2d(2, 8, 1), nn.ReLU(), nn.BatchNorm2d(8)
        self.plain, self.shared = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.loud = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 3)
        with torch.no_grad():
            self.conv.bias[:3] = -100

    def forward(self, x):
        h = self.bn(self.act(self.conv(x)))
        h = torch.relu(self.shared(self.plain(h)))
        h = torch.relu(self.shared(self.loud(h) + 3))
        return self.head(h.mean((2, 3)))


def finding(measure: str, layer: str, *related: str, model: str = "Net") -> Finding:
    where = Location("net.py", 1)
    calls = tuple((name, 0) for name in (layer, *related))
    return Finding(
        "XX101", "a-name", Severity.WARNING, "m", where, model, layer,
        tuple(Related(r, where, "") for r in related),
        measurable=Measurable(measure, calls) if measure else None,
    )  # fmt: skip


def test_every_measure_of_the_rule_language_is_put_into_words() -> None:
    assert set(EVIDENCE) == set(MEASURES)


def test_measurements_are_attached_to_what_they_bear_on() -> None:
    report = Report(
        findings=(
            finding("stuck-units", "bn", "act", "conv"),
            finding("with-a-norm", "act"),
            finding("bias-effect", "plain", "shared"),
            finding("bias-effect", "head"),
            finding("call-distance", "shared"),
            finding("gradient-ratio", "conv"),
            finding("", "conv"),
            finding("stuck-units", "nowhere"),
            finding("stuck-units", "bn", "act", model="Other"),
        )
    )
    torch.manual_seed(0)
    result = probe(Net(), torch.randn(300, 2, 4, 4), report=report, compare=True, steps=1)
    found = [f.evidence for f in attach_evidence(report, result).findings]
    revived, missing, silent, loud, shared, gradient, *rest = found
    assert revived.values["dead-units"] == (0, 1, 2)
    assert "3 of 8 units of `act` (relu, fed by `conv`) are dead" in revived.summary
    assert missing.values["without"][0] == 3 / 8
    assert missing.values["with"][0] == 0
    assert silent.values["change"] < 1e-4
    assert loud.values["change"] > 0.1
    assert shared.values["distance"] > 1
    assert 0 < gradient.values["ratio"] < 100
    assert rest == [None, None, None]


def test_a_report_on_one_model_needs_no_matching_name() -> None:
    report = Report(findings=(finding("stuck-units", "bn", "act", model="net.build"),))
    result = probe(Net(), torch.randn(300, 2, 4, 4))
    assert attach_evidence(report, result).findings[0].evidence is not None
    assert report.findings[0].evidence is None
