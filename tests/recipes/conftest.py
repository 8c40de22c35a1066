"""CONTRIBUTING says how many files a new thing touches; these tests do it in a copy and run it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Copy:
    """A copy of the package and its rules, and a folder to run it in."""

    package: Path
    folder: Path

    def write(self, path: str, text: str) -> None:
        """A new file of the package."""
        assert not (self.package / path).exists()
        (self.package / path).write_text(text, encoding="utf-8")

    def insert(self, path: str, before: str, text: str) -> None:
        """Text put before a line of a file of the package that begins so."""
        old = (self.package / path).read_text(encoding="utf-8")
        assert old.count(f"\n{before}") == 1
        new = old.replace(f"\n{before}", f"\n{text}{before}")
        (self.package / path).write_text(new, encoding="utf-8")

    def run(self, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
        """The command line of the copy, or Python code that imports it."""
        start = ["-c", code] if code else ["-m", "bnlint"]
        return subprocess.run(
            [sys.executable, *start, *arguments],
            cwd=self.folder,
            env={"PYTHONPATH": str(self.package.parent), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy to change, with a model that has one finding in the folder."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("bnlint", "rules"):
        shutil.copytree(ROOT / name, tmp_path / "src" / name, ignore=ignored)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "net.py").write_text(
        "from torch import nn\n\nnet = nn.Sequential(\n"
        "    nn.Conv2d(3, 8, 3),\n    nn.BatchNorm2d(8),\n    nn.ReLU(),\n)\n"
    )
    return Copy(tmp_path / "src" / "bnlint", folder)
