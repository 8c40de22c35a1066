"""The worked example that turns a diff into review comments."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bnlint.domain.finding import Edit, Finding, Fix, Related, Report, Severity
from bnlint.domain.graph import Location

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "review" / "review.py"
OLD = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(
            3, 8, 3
        )
        self.filler = 0
        self.other = 0
        self.more = 0
        self.much_more = 0
        self.norm = nn.Identity()

    def forward(self, x):
        return self.norm(self.conv(x)).relu()
"""
NEW = OLD.replace("nn.Identity()", "nn.BatchNorm2d(8)")
API = {
    "type": "object",
    "required": ["event", "body", "comments"],
    "additionalProperties": False,
    "properties": {
        "event": {"enum": ["APPROVE", "REQUEST_CHANGES", "COMMENT"]},
        "body": {"type": "string", "minLength": 1},
        "comments": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "body", "line", "side"],
                "additionalProperties": False,
                "properties": {
                    "path": {"type": "string", "pattern": "^[^/]"},
                    "body": {"type": "string", "minLength": 1},
                    "line": {"type": "integer", "minimum": 1},
                    "side": {"enum": ["LEFT", "RIGHT"]},
                    "start_line": {"type": "integer", "minimum": 1},
                    "start_side": {"enum": ["LEFT", "RIGHT"]},
                },
            },
        },
    },
}
"""What GitHub documents for ``POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews``."""


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bnlint_example_review", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A branch that adds a norm to a model of main, and a new file; main went on meanwhile."""
    (tmp_path / "src").mkdir()
    (tmp_path / "bnlint.toml").write_text('select = ["BN301"]\n')
    _git(tmp_path, "init", "-q")
    (tmp_path / "src" / "net.py").write_text(OLD)
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    _git(tmp_path, "checkout", "-qb", "work")
    (tmp_path / "src" / "net.py").write_text(NEW)
    (tmp_path / "src" / "new.py").write_text(NEW.replace("Net", "New"))
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "norm")
    return tmp_path


def _script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder / "src",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def _review(folder: Path, *arguments: str) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    done = _script(folder, *arguments)
    assert done.returncode == 0, done.stderr
    review = json.loads(done.stdout)
    jsonschema.validate(review, API)
    return review


def test_a_diff_becomes_comments_on_its_lines(repository: Path) -> None:
    review = _review(repository, "--since", "main...", "--compare")
    places = [(c["path"], c["line"], c["side"]) for c in review["comments"]]
    # The convolution of net.py is not a part of the diff: the comment stands at the new norm.
    assert places == [("src/net.py", 14, "RIGHT"), ("src/new.py", 7, "RIGHT")]
    said, _, compared = review["body"].partition("\n\n")
    assert said == "bnlint: 2 findings in what changed."
    assert "`main...`" in compared.splitlines()[0]
    assert "| `Net` net.py | 🔶 **changed** | do not load: 5 new keys | differ" in compared
    assert review["comments"][0]["body"].startswith(
        "**BN301** redundant-bias (warning): The bias of `conv`"
    )


def test_proved_fixes_become_suggestions(repository: Path) -> None:
    pytest.importorskip("libcst")
    review = _review(repository, "--since", "main...", "--fixes")
    elsewhere, suggested = (comment["body"] for comment in review["comments"])
    assert "```suggestion" not in elsewhere
    assert suggested.endswith("```suggestion\n            3, 8, 3, bias=False\n```")


def test_a_mistake_is_told(repository: Path) -> None:
    done = _script(repository, "--since", "nowhere...")
    assert done.returncode == 1
    assert "there is no revision 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr


def _finding(path: str, *edits: Edit, related: int = 0) -> Finding:
    fix = Fix("pass it", "unsafe", edits) if edits else None
    other = (Related("bn", Location(path, related), "here"),) if related else ()
    at = Location(path, 2, 1)
    return Finding("BN1", "a", Severity.WARNING, "said", at, "Net", "conv", other, fix=fix)


def test_edits_over_several_lines_are_one_suggestion(example: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("one\ntwo = f(\n    a,\n)\nlast\n")
    edits = (
        Edit(Location(str(path), 2, 7, 2, 8), "g"),
        Edit(Location(str(path), 3, 5, 4, 1), "a,\n    b,\n"),
    )
    lines = {"net.py": frozenset(range(1, 5))}
    comment = example.suggestion(_finding(str(path), *edits), lines, tmp_path)
    assert (comment["start_line"], comment["line"]) == (2, 4)
    assert comment["body"].endswith("```suggestion\ntwo = g(\n    a,\n    b,\n)\n```")
    assert example.suggestion(_finding(str(path), *edits), {"net.py": {2, 3}}, tmp_path) is None


def test_a_suggestion_is_read_in_the_encoding_that_the_file_declares(
    example: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "net.py"
    path.write_bytes("# coding: latin-1\nx = f(1)  # caf\xe9\n".encode("latin-1"))
    edit = Edit(Location(str(path), 2, 8, 2, 8), ", 2")
    finding = Finding(
        "BN1",
        "n",
        Severity.WARNING,
        "m",
        Location(str(path), 2),
        "",
        "",
        fix=Fix("f", "safe", (edit,)),
    )
    comment = example.suggestion(finding, {"net.py": frozenset({2})}, tmp_path)
    assert comment["body"].endswith("```suggestion\nx = f(1, 2)  # caf\xe9\n```")


def test_what_has_no_line_in_the_diff_is_in_the_text(example: ModuleType, tmp_path: Path) -> None:
    path = str(tmp_path / "net.py")
    report = Report((_finding(path), _finding(path, related=9)))
    review = example.review(report, {"net.py": frozenset({9})}, tmp_path)
    assert [comment["line"] for comment in review["comments"]] == [9]
    assert f"- `{path}:2` **BN1**" in review["body"]
