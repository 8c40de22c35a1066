from __future__ import annotations

import json

from tests.recipes.conftest import Copy

MEASURED = '''
def _positive(x: Tensor, axis: int) -> Tensor:
    """The largest pre-activation of each unit, and how many values there are."""
    return torch.stack([(x > 0).sum(), torch.tensor(x.numel())])


MEASURES.append(
    Measure("positive", lambda a: float(a.more["positive"][0] / a.more["positive"][1]), _positive)
)


'''
METRIC = '''"""Activations that most values pass."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats
from bnlint.probing.judging.metric import Number, Verdict, metric

NUMBERS = (Number(ActivationStats, "positive", "share of values above 0", "positive", share=True),)


@metric(
    "mostly-positive",
    Severity.INFO,
    definition="share of values above 0",
    default="over .9",
    why="The activation changes little.",
    remedy="Check the bias before it.",
    source="this test",
)
def mostly_positive(result: ProbeResult) -> Iterator[Verdict]:
    """Information on each activation that lets almost everything through."""
    for a in result.activations:
        share = a.more["positive"] or 0.0
        if share > 0.9:
            yield Verdict(a, Severity.INFO, f"{a.layer} passes {share:.0%}")
'''
NET = """
from torch import nn

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Tanh())
nn.init.constant_(net[0].bias, 100.0)
nn.init.constant_(net[2].bias, -1000.0)
"""
PAGE = """
import torch, bnlint, net
from bnlint.probing.showing.exports import sections
table = sections(bnlint.probe(net.net, [torch.randn(9, 4), torch.randn(7, 4)]))[0].tables[0]
print([dict(zip(table.columns, row))["positive"] for row in table.rows])
"""


def test_a_metric_with_a_new_number_is_two_files(copy: Copy) -> None:
    copy.insert("probing/observing/numbers.py", "def taken(", MEASURED.lstrip("\n"))
    copy.write("probing/judging/positive_metrics.py", METRIC)
    (copy.folder / "net.py").write_text(NET)
    done = copy.run("probe", "net.py", "--input", "1x4", "--batch", "16", "--exit-zero")
    head, first, second = done.stdout.split("\n\n")[1].splitlines()
    assert head.endswith("signal  positive")
    assert first.endswith("█████ 100%")
    assert second.endswith("   0%")
    assert "info mostly-positive: 1 passes 100%" in done.stdout
    done = copy.run("probe", "net.py", "--input", "1x4", "--format", "json", "--exit-zero")
    probe = json.loads(done.stdout)["probe"]
    assert [a["positive"] for a in probe["activations"]] == [1.0, 0.0]
    assert "probe/mostly-positive" in {f["rule"] for f in probe["report"]["findings"]}
    assert copy.run(code=PAGE).stdout == "[1.0, 0.0]\n"
