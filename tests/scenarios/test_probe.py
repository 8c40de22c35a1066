"""``bnlint probe`` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(8, 16)
        nn.init.constant_(self.one.bias, -30.0)
        self.two = nn.Linear(16, 4)

    def forward(self, x):
        return self.two(torch.relu(self.one(x)))
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def probe(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bnlint", "probe", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_dead_layer_is_measured_and_ends_in_1(net: Path) -> None:
    done = probe(net, "net.py::Net")
    assert done.returncode == 1
    assert "dead-layer" in done.stdout


def test_json_is_that_of_a_lint_run_with_the_measurements_beside(net: Path) -> None:
    done = probe(net, "net.py::Net", "--format", "json", "--exit-zero")
    assert done.returncode == 0
    data = json.loads(done.stdout)
    assert data["version"] == 1
    assert any(f["rule"] == "probe/dead-layer" for f in data["findings"])
    assert data["probe"]["samples"] == 256


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["net.py::Nett"], "Nett"),
        (["gone.py::Net"], "there is no such file"),
        (["net.py::Net", "--device", "cuda:7"], "is not there"),
        (["net.py::Net", "--input", "4x9"], "(256, 9)"),
        (["net.py::Net", "--format", "nope"], "nope"),
    ],
)
def test_what_cannot_be_probed_is_said(net: Path, arguments: list[str], said: str) -> None:
    done = probe(net, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_input_by_hand_is_what_the_static_findings_hang_on_too(net: Path) -> None:
    done = probe(net, "net.py::Net", "--input", "4x8", "--format", "json", "--exit-zero")
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    assert model["inputs"] == {"source": "declared", "shapes": [[4, 8]]}


def test_static_and_measured_findings_of_a_file_stand_together(net: Path) -> None:
    text = NET.replace("torch.relu(self.one(x))", "self.norm(torch.relu(self.one(x)))")
    text = text.replace("self.two = ", "self.norm = nn.BatchNorm1d(16)\n        self.two = ")
    (net / "net.py").write_text(text)
    formats = [f"--format={name}={name}.out" for name in ("json", "html", "sarif")]
    done = probe(net, "net.py::Net", "--format", "text", *formats)
    assert done.returncode == 1, done.stderr
    rules = {f["rule"] for f in json.loads((net / "json.out").read_text())["findings"]}
    assert {"BN101", "probe/dead-layer"} <= rules
    assert "measured: 16 of 16 units" in done.stdout
    assert "\nnet.py:10:" in done.stdout
    assert (net / "html.out").read_text().count("<section class=group>") == 1


def test_nobody_who_measures_is_told_to_measure(net: Path) -> None:
    text = NET.replace("torch.relu(self.one(x))", "self.norm(torch.relu(self.one(x)))")
    text = text.replace("self.two = ", "self.norm = nn.BatchNorm1d(16)\n        self.two = ")
    (net / "net.py").write_text(text)
    done = probe(net, "net.py::Net", "--format", "json", "--exit-zero")
    messages = {f["rule"]: f["message"] for f in json.loads(done.stdout)["findings"]}
    assert "BN101" in messages
    assert not any("bnlint probe" in message for message in messages.values())


def test_metrics_are_selected_and_silenced_like_rules(net: Path) -> None:
    (net / "net.py").write_text(NET)

    def rules(*arguments: str) -> list[str]:
        done = probe(net, "net.py::Net", "--format", "json", "--exit-zero", *arguments)
        return [f["rule"] for f in json.loads(done.stdout)["findings"]]

    assert set(rules("--select", "dead-layer")) == {"probe/dead-layer"}
    line = "return self.two(torch.relu(self.one(x)))"
    (net / "net.py").write_text(NET.replace(line, f"{line}  # bnlint: ignore[dead-layer] -- here"))
    assert "probe/dead-layer" not in rules()
