"""``bnlint compare`` on revisions, files and checkpoints, as from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from bnlint.cli import main
from bnlint.comparing.sides import Tracing
from bnlint.domain.request import FileRequest, TraceOutcome, TraceRequest

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


def test_costs_are_counted_for_one_input(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only_32 = "nn.functional.avg_pool2d(self.body(self.stem(x)), 30).view(x.shape[0], -1)"
    (project / "old.py").write_text(NET.replace("self.body(self.stem(x)).mean((2, 3))", only_32))
    (project / "new.py").write_text(NET)
    code, found = answers(capsys, "old.py::Net", "new.py::Net")
    each = found["Net"]
    assert (code, each["verdict"]) == (0, "same-function")
    before, after = each["cost"]["multiply_adds"]
    assert before == after


def test_mistakes_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "mian"]) == 2
    assert "did you mean 'main'" in capsys.readouterr().err
    assert main(["compare", "main", "--fail-on", "nothing"]) == 2
    assert main(["compare", "main", "--format", "xml"]) == 2


def test_a_submodule_is_read_at_its_commit(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q", "-b", "main")
    (other / "sizes.py").write_text("KERNEL = 3\n")
    git(other, "add", ".")
    git(other, "commit", "-qm", "one")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "shared")
    sized = NET.replace("from block", "from shared.sizes import KERNEL\nfrom block")
    (project / "net.py").write_text(sized.replace("(3, 8, 3)", "(3, 8, KERNEL)"))
    git(project, "add", ".")
    git(project, "commit", "-qm", "two")
    (project / "shared" / "sizes.py").write_text("KERNEL = 5\n")
    git(project / "shared", "commit", "-qam", "two")
    git(project, "commit", "-qam", "three")
    _, found = answers(capsys, "HEAD~1..HEAD", *INPUT)
    (reshaped,) = found["Net"]["checkpoint"]["reshaped"]
    assert reshaped == {"key": "stem.weight", "old": [8, 3, 3, 3], "new": [8, 3, 5, 5]}
    git(project, "submodule", "--quiet", "deinit", "-f", "shared")
    main(["compare", "HEAD~1..HEAD", *INPUT])
    assert "git submodule update --init" in capsys.readouterr().out


def test_a_shallow_clone_says_what_to_fetch(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "net.py").write_text(NET + "\n")
    git(project, "commit", "-qam", "two")
    git(project, "clone", "-q", "--depth", "1", project.as_uri(), "shallow")
    monkeypatch.chdir(project / "shallow")
    for revision in ("HEAD~1", "main~1...", "origin/main^"):
        assert main(["compare", revision]) == 2
        assert "git fetch --unshallow" in capsys.readouterr().err


def test_renamed_and_one_sided_files(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(project, "mv", "net.py", "model.py")
    (project / "fresh.py").write_text(NET.replace("Net", "Fresh"))
    _, found = answers(capsys, "HEAD", *INPUT)
    assert found["Net"]["verdict"] == "identical"
    assert (found["Net"]["old"]["file"], found["Net"]["file"]) == ("net.py", "model.py")
    assert found["Fresh"]["verdict"] == "added"
    (project / "model.py").unlink()
    _, found = answers(capsys, "HEAD", *INPUT)
    assert found["Fresh"]["old"]["model"] == "Net", "the only class that is left is the same"


def test_a_version_that_was_traced_is_not_traced_again(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[str] = []
    trace = Tracing.trace

    def noted(self: Tracing, requests: Sequence[FileRequest]) -> Iterable[TraceOutcome]:
        traced.extend(r.path for r in requests if isinstance(r, TraceRequest))
        return trace(self, requests)

    monkeypatch.setattr(Tracing, "trace", noted)
    (project / "block.py").write_text(BLOCK.replace("self.bn", "self.norm"))
    git(project, "add", ".")
    for revisions in (["main"], ["main", "--staged"]):
        _, first = answers(capsys, *revisions, *INPUT)
        assert traced
        traced.clear()
        assert answers(capsys, *revisions, *INPUT)[1] == first
        assert not traced


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_the_repository_as_it_was(
    project: Path, tmp_path_factory: pytest.TempPathFactory, sent: signal.Signals
) -> None:
    (project / "block.py").write_text(BLOCK.replace("self.bn", "self.norm"))
    scratch = tmp_path_factory.mktemp("scratch")
    before = _state_of(project)
    process = subprocess.Popen(
        [sys.executable, "-m", "bnlint", "compare", "main", *INPUT, "--no-cache"],
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not list(scratch.glob("bnlint-*-revisions/[0-9a-f]*/net.py")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (128 + sent, -sent)
    assert b"Traceback" not in said
    assert _state_of(project) == before
    assert not list(scratch.rglob("net.py"))


def _state_of(project: Path) -> tuple[str, bytes, str]:
    index = (project / ".git" / "index").read_bytes()
    return git(project, "status", "--porcelain"), index, git(project, "for-each-ref")
