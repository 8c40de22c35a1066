"""``bnlint compare`` on revisions, files and checkpoints, as from the command line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from bnlint.cli import main

BLOCK = """
from torch import nn
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
    def forward(self, x):
        return x + self.bn(self.conv(x)).relu()
"""
NET = """
from torch import nn
from block import Block
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.body = nn.Sequential(Block(8), Block(8))
        self.fc = nn.Linear(8, 4)
    def forward(self, x):
        return self.fc(self.body(self.stem(x)).mean((2, 3)))
"""
INPUT = ["--input", "2x3x16x16"]


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "block.py").write_text(BLOCK)
    (tmp_path / "net.py").write_text(NET)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def answers(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["compare", *arguments, "--format", "json", "--sandbox", "off"])
    found = json.loads(capsys.readouterr().out)
    return code, {each["model"]: each for each in found["comparisons"]}


def test_a_helper_module_changes_the_models_that_import_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "block.py").write_text(BLOCK.replace("self.bn", "self.norm"))
    before = git(project, "status", "--porcelain"), (project / ".git" / "index").read_bytes()
    code, found = answers(capsys, "main", *INPUT, "net.py")
    assert code == 1
    assert found["Net"]["verdict"] == "same-function"
    assert found["Net"]["old"]["revision"] == "main"
    assert found["Net"]["checkpoint"]["loads"] is False
    assert found["Net"]["checkpoint"]["loads_with_renames"] is True
    renamed = {r["old"]: r["new"] for r in found["Net"]["checkpoint"]["renamed"]}
    assert renamed["body.1.bn.running_mean"] == "body.1.norm.running_mean"
    after = git(project, "status", "--porcelain"), (project / ".git" / "index").read_bytes()
    assert [after[0].replace("?? .bnlint_cache/\n", ""), after[1]] == [*before]


def test_staged_and_committed_versions(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "net.py").write_text(NET.replace("self.fc", "self.head"))
    git(project, "add", ".")
    (project / "net.py").write_text(NET)
    code, found = answers(capsys, "HEAD", "--staged", *INPUT)
    assert code == 1
    assert found["Net"]["new"]["revision"] == "index"
    assert found["Net"]["checkpoint"]["renamed"][0]["new"].startswith("head.")
    git(project, "commit", "-qm", "two")
    code, found = answers(capsys, "HEAD~1..HEAD", *INPUT, "--fail-on", "function")
    assert code == 0
    assert found["Net"]["verdict"] == "same-function"


def test_two_files_and_a_checkpoint(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "wide.py").write_text(NET.replace("Net", "Wide").replace("(8, 4)", "(8, 5)"))
    code, found = answers(capsys, "net.py::Net", "wide.py::Wide", *INPUT)
    assert code == 1
    assert found["Wide"]["verdict"] == "changed"
    assert found["Wide"]["checkpoint"]["reshaped"] == [
        {"key": "fc.weight", "old": [4, 8], "new": [5, 8]},
        {"key": "fc.bias", "old": [4], "new": [5]},
    ]
    assert found["Wide"]["function"]["equal"] is None
    state = {"module.weight": torch.zeros(3, 2), "module.bias": torch.zeros(3)}
    torch.save({"state_dict": state, "epoch": 3}, project / "weights.pt")
    (project / "one.py").write_text("from torch import nn\nNet = lambda: nn.Linear(2, 3)\n")
    code, found = answers(capsys, "one.py::Net()", "weights.pt")
    answer = next(iter(found.values()))["checkpoint"]
    assert (answer["loads"], answer["loads_with_renames"]) == (False, True)
    assert {"old": "module.weight", "new": "weight"} in answer["renamed"]


def test_mistakes_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "mian"]) == 2
    assert "did you mean 'main'" in capsys.readouterr().err
    assert main(["compare", "main", "--fail-on", "nothing"]) == 2
    assert main(["compare", "main", "--format", "xml"]) == 2
