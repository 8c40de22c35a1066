"""``--add-ignores``: every finding gets a comment that covers it, and nothing else changes."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from bnlint.cli import main
from bnlint.domain.finding import Finding, Severity
from bnlint.domain.graph import Location
from bnlint.edits.syntax import SourceText
from bnlint.findings.comments import ignore_comments
from bnlint.fixes.add_ignores import commented

NET = """\
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3)  # the first
        self.body = nn.Sequential(
            nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(
                8,
                8,
                kernel_size=3,
            ),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 3),  # bnlint: ignore[BN102] -- an older reason
            nn.BatchNorm2d(8, momentum=0.99), nn.ReLU(),
        )
        doc, self.last = \\"\\"\\"text
        goes on\\"\\"\\", nn.Conv2d(8, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.last(self.body(self.one(x))))
""".replace('\\"', '"')


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _uncommented(text: str) -> str:
    return ast.dump(ast.parse(text))


def test_a_file_is_silent_afterwards_and_is_the_same_code(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "net.py").write_bytes(NET.replace("\n", "\r\n").encode())
    assert main(["net.py", "--add-ignores", "checkpoints  need\nit", "--ignore=BN900"]) == 0
    text = (project / "net.py").read_bytes().decode()
    assert text.count("\n") == text.count("\r\n")
    assert _uncommented(text) == _uncommented(NET)
    plain = text.replace("\r\n", "\n")
    assert "(3, 8, 3)  # the first  # bnlint: ignore[BN301] -- checkpoints need it\n" in plain
    assert "ignore[BN102, BN301] -- an older reason\n" in plain
    assert "no comment" not in capsys.readouterr().err
    assert main(["net.py", "--ignore", "BN900"]) == 0
    assert main(["net.py", "--add-ignores", "again", "--ignore", "BN900"]) == 0
    assert (project / "net.py").read_bytes().decode() == text


def test_notebooks_and_files_of_others_are_left_alone(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "from torch import nn\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"
    cell = {"cell_type": "code", "source": code, "metadata": {}, "outputs": []}
    book = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (project / "net.ipynb").write_text(book)
    (project / "helper.py").write_text(
        "from torch import nn\n\ndef block():\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"
    )
    (project / "use.py").write_text(
        "from torch import nn\nfrom helper import block\n\nnet = nn.Sequential(block())\n"
    )
    helper = (project / "helper.py").read_text()
    assert main(["net.ipynb", "use.py", "--add-ignores", "why"]) == 1
    assert (project / "net.ipynb").read_text() == book
    assert (project / "helper.py").read_text() == helper
    assert "notebooks are not edited: net.ipynb" in capsys.readouterr().err


def test_nothing_is_written_when_one_file_cannot_be(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latin = "# coding: latin-1\n" + NET
    (project / "a.py").write_text(NET)
    (project / "b.py").write_text(latin)
    assert main(["a.py", "b.py", "--add-ignores", "wegen 正規化"]) == 2
    assert (project / "a.py").read_text() == NET
    assert "lacks a character of the reason" in capsys.readouterr().err


def test_a_reason_is_needed_and_edits_come_one_at_a_time(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["net.py", "--add-ignores", " "]) == 2
    assert main(["net.py", "--add-ignores", "x", "--fix"]) == 2
    assert "needs a reason" in capsys.readouterr().err


def _finding(rule: str, line: int, end: int = 0) -> Finding:
    at = Location("net.py", line, 1, end, 1 if end else 0)
    return Finding(rule, "", Severity.WARNING, "", at, "Net", "a")


def test_comments_above_one_statement_are_lines_of_their_own() -> None:
    source = SourceText("net.py", 'x = f("""a\n"""), g("""b\n""")\n')
    text, refused = commented(source, [_finding("BN1", 1, 2), _finding("BN2", 2, 3)], "why")
    assert refused == []
    assert text.text.startswith(
        "# bnlint: ignore[BN1] -- why\n# bnlint: ignore[BN2] -- why\nx = f("
    )
    assert {c.rules for c in ignore_comments(text.plain)} == {("BN1",), ("BN2",)}


def test_a_line_that_no_comment_can_cover_is_named() -> None:
    source = SourceText("net.py", "x = 1\n")
    text, refused = commented(source, [_finding("BN1", 9)], "why")
    assert (text, len(refused)) == (source, 1)
