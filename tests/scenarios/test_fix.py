"""``--diff`` and ``--fix`` from the files on the disk to the files on the disk."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bnlint.cli import main

NET = """\
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)  # héllo
        self.bn = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.head(self.bn(self.conv(x)).relu())
"""
FIXED = NET.replace("3, 8, 3)", "3, 8, 3, bias=False)")
SELECT = ("--select", "BN301", "--isolated")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["net.py", *SELECT, *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_fix_is_shown_then_made_and_then_there_is_nothing_to_do(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown, _ = _run(capsys, "--diff", "--unsafe-fixes")
    assert code == 1
    assert (project / "net.py").read_text(encoding="utf-8") == NET
    (project / "fix.diff").write_text(shown, encoding="utf-8")
    subprocess.run(["git", "apply", "--check", "fix.diff"], check=True)

    code, shown, said = _run(capsys, "--fix", "--unsafe-fixes")
    assert (code, shown) == (0, "")
    assert "fixed 1 place in 1 file: BN301 1x" in said
    assert (project / "net.py").read_text(encoding="utf-8") == FIXED

    before = (project / "net.py").stat()
    assert _run(capsys, "--fix", "--unsafe-fixes")[0] == 0
    after = (project / "net.py").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_an_unsafe_fix_must_be_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, said = _run(capsys, "--fix")
    assert code == 1
    assert "BN301" in shown
    assert "1 more fix can be tried with --unsafe-fixes" in said
    assert (project / "net.py").read_text(encoding="utf-8") == NET
    assert "--unsafe-fixes" in _run(capsys, "--diff", "-v")[2]


@pytest.mark.parametrize(
    ("encoding", "first", "newline"),
    [
        ("utf-8", "", "\r\n"),
        ("utf-8-sig", "", "\n"),
        ("latin-1", "# -*- coding: latin-1 -*-\n", "\n"),
        ("utf-8", "", "\r"),
    ],
)
def test_bytes_outside_the_edit_stay(
    project: Path, capsys: pytest.CaptureFixture[str], encoding: str, first: str, newline: str
) -> None:
    text = (first + NET).replace("\n", newline)
    (project / "net.py").write_bytes(text.encode(encoding))
    os.chmod(project / "net.py", 0o754)
    assert _run(capsys, "--fix", "--unsafe-fixes")[0] == 0
    expected = (first + FIXED).replace("\n", newline).encode(encoding)
    assert (project / "net.py").read_bytes() == expected
    assert stat.S_IMODE((project / "net.py").stat().st_mode) == 0o754
    assert [p.name for p in project.iterdir() if p.name.startswith(".bnlint-")] == []


def test_a_read_only_file_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.chmod(project / "net.py", 0o444)
    code, _, said = _run(capsys, "--fix", "--unsafe-fixes")
    assert code == 2
    assert "is read-only; nothing was changed" in said
    assert "chmod u+w" in said
    assert (project / "net.py").read_text(encoding="utf-8") == NET


def test_a_file_that_changed_meanwhile_is_left_alone(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bnlint.fixes import apply

    rounds = apply.Progress.rounds

    def meddle(progress: apply.Progress) -> None:
        rounds(progress)
        (project / "net.py").write_text(NET + "\n# new\n", encoding="utf-8")

    monkeypatch.setattr(apply.Progress, "rounds", meddle)
    code, _, said = _run(capsys, "--fix", "--unsafe-fixes")
    assert code == 2
    assert "has changed while it was checked" in said
    assert (project / "net.py").read_text(encoding="utf-8").endswith("# new\n")


def test_json_and_sarif_carry_the_proved_edits(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(capsys, "--diff", "--unsafe-fixes", "--format", "json=a.json", "--format", "sarif=a.sarif")
    fix = json.loads((project / "a.json").read_text())["findings"][0]["fix"]
    assert fix["safety"] == "unsafe"
    assert "old checkpoints carry an unused key" in fix["message"]
    (edit,) = fix["edits"]
    assert edit == {
        "file": "net.py",
        "line": 7,
        "column": 38,
        "end_line": 7,
        "end_column": 38,
        "replacement": ", bias=False",
    }
    result = json.loads((project / "a.sarif").read_text())["runs"][0]["results"][0]
    change = result["fixes"][0]["artifactChanges"][0]
    assert change["artifactLocation"]["uri"] == "net.py"
    assert change["replacements"][0]["insertedContent"]["text"] == ", bias=False"


def test_a_line_that_also_builds_a_layer_without_the_finding_stays(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """\
import torch.nn as nn


def conv(i, o):
    return nn.Conv2d(i, o, 3)


net = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU(), conv(8, 4))
"""
    (project / "net.py").write_text(text)
    _, shown, said = _run(capsys, "--diff", "--unsafe-fixes", "-v")
    assert shown == ""
    assert "the same line serves 3 of net, which is fine" in said


def test_a_suppressed_finding_is_not_fixed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = NET.replace("# héllo", "# bnlint: ignore[BN301] -- kept for old checkpoints")
    (project / "net.py").write_text(text)
    assert _run(capsys, "--fix", "--unsafe-fixes")[0] == 0
    assert (project / "net.py").read_text() == text


def test_a_layer_built_in_another_named_file_is_fixed_there(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = "import torch.nn as nn\n\n\ndef conv(i, o):\n    return nn.Conv2d(i, o, 3)\n"
    (project / "blocks.py").write_text(blocks)
    text = (
        "import torch.nn as nn\nfrom blocks import conv\n\n"
        "net = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU())\n"
    )
    (project / "net.py").write_text(text)
    assert _run(capsys, "--fix", "--unsafe-fixes")[0] == 1
    assert (project / "blocks.py").read_text() == blocks
    _run(capsys, "blocks.py", "--fix", "--unsafe-fixes")
    assert (project / "blocks.py").read_text() == blocks.replace("o, 3)", "o, 3, bias=False)")
    assert (project / "net.py").read_text() == text


def test_without_libcst_it_says_what_to_install(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "libcst", None)
    code, shown, said = _run(capsys, "--fix")
    assert (code, shown) == (2, "")
    assert "fixes need libcst, which is not installed" in said
    assert "pip install 'bnlint[fix]'" in said


def test_standard_input_is_shown_and_never_written(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin:
        buffer = io.BytesIO(NET.encode())

    arguments = ["-", "--stdin-filename", "new.py", *SELECT, "--unsafe-fixes"]
    monkeypatch.setattr(sys, "stdin", Stdin)
    assert main([*arguments, "--diff"]) == 1
    shown = capsys.readouterr().out
    assert "--- a/new.py" in shown
    assert "+        self.conv = nn.Conv2d(3, 8, 3, bias=False)  # héllo" in shown
    monkeypatch.setattr(Stdin, "buffer", io.BytesIO(NET.encode()))
    assert main([*arguments, "--fix"]) == 2
    assert "standard input cannot be changed" in capsys.readouterr().err
    assert not (project / "new.py").exists()


def test_each_round_builds_on_the_one_before(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = NET.replace("nn.BatchNorm2d(8)", "nn.BatchNorm2d(16, 0.8)")
    (project / "net.py").write_text(text, encoding="utf-8")
    arguments = ["net.py", "--select", "BN301,BN201,BN305", "--isolated", "--unsafe-fixes"]
    assert main([*arguments, "--fix"]) == 0
    assert "fixed 3 places in 1 file" in capsys.readouterr().err
    expected = FIXED.replace("nn.BatchNorm2d(8)", "nn.BatchNorm2d(8, momentum=0.2)")
    assert (project / "net.py").read_text(encoding="utf-8") == expected
