from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from bnlint.domain.errors import ProbeError, UsageError
from bnlint.domain.finding import Finding, Measurable, Report, Severity
from bnlint.domain.graph import Location
from bnlint.pipeline.probe_file import probe_file
from bnlint.probing.given.probe_options import ProbeOptions, add_options, options_of
from bnlint.probing.showing import exports, terminal

NET = """
import torch
from torch import nn

print("imported")


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.norm(torch.relu(self.conv(x)))


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 1), nn.Tanh(), Block(width))
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        print("called")
        return self.head(self.body(x).mean((2, 3)))


def data():
    return torch.randn(40, 3, 6, 6), torch.randint(3, (40,))
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("probe") / "net.py"
    path.write_text(NET)
    return path


def test_a_file_is_probed_in_a_process_of_its_own(net: Path, capfd) -> None:
    static = Finding(
        "BN301", "redundant-bias", Severity.WARNING, "m", Location("net.py", 10), "Net", "head",
        measurable=Measurable("bias-effect", (("head", 0),)),
    )  # fmt: skip
    options = ProbeOptions(data="data", loss="cross_entropy", report=Report((static,)))
    result = probe_file(str(net), options)
    assert [(a.layer, a.units) for a in result.activations] == [
        ("body.1", 4),
        ("body.2.relu()", 4),
    ]
    assert (result.samples, result.objective) == (40, "the loss cross_entropy")
    assert capfd.readouterr().out == ""
    evidence = {f.name: f.evidence for f in result.report.findings}
    assert evidence["redundant-bias"].values["change"] > 0.1


def test_findings_point_at_source_lines(net: Path) -> None:
    lines = NET.splitlines()
    result = probe_file(f"{net}::Net(width=6)", ProbeOptions(inputs=("2x3x8x8",), samples=32))
    assert result.activations[0].units == 6
    for finding in result.report.findings:
        if finding.layer:
            assert finding.location.path == str(net)
            assert "self." in lines[finding.location.line - 1]


def test_mistakes_cross_the_pipe(net: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        probe_file("nowhere.py::Net")
    with pytest.raises(ProbeError, match="has no `Nett`"):
        probe_file(f"{net}::Nett")
    with pytest.raises(ProbeError, match="no loss called 'nope'"):
        probe_file(str(net), ProbeOptions(loss="nope"))
    with pytest.raises(ProbeError, match="batch of one"):
        probe_file(str(net), ProbeOptions(inputs=("1x3x6x6",), samples=1))


def test_a_crash_is_told(tmp_path: Path) -> None:
    path = tmp_path / "crash.py"
    path.write_text(NET + "\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(ProbeError, match="was ended by SIGKILL"):
        probe_file(str(path))


def test_a_file_with_several_models_asks_for_one(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text(NET + "\n\nclass Other(Net):\n    pass\n")
    with pytest.raises(ProbeError, match=r"holds several models\n.*two\.py::"):
        probe_file(str(path))


def test_the_host_never_loads_torch() -> None:
    code = "import sys, bnlint.pipeline.probe_file, bnlint.probing.showing.terminal\n"
    code += "import bnlint.probing.given.probe_options\n"
    code += "import bnlint.probing.showing.pictures; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_options_of_the_command_reach_the_probe(net: Path) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    line = f"{net}::Net --batch 20 --input 1x3x7x7 --compare --steps 1 --dtype bfloat16 --seed 3"
    given = parser.parse_args(line.split())
    result = probe_file(given.target, options_of(given))
    assert (result.samples, result.dtype, result.source) == (20, "bfloat16", "synthetic")
    assert result.comparison is not None
    assert (result.comparison.steps, result.comparison.seed) == (1, 3)
    assert terminal.render(result).startswith("probe of Net")
    assert exports.to_json(result).startswith("{")
