"""The package keeps to its own rules: style, types, and who may import whom."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def _needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed (extra dev)")


@_needs("ruff")
@pytest.mark.parametrize("step", [("check",), ("format", "--check")], ids=lambda step: step[0])
def test_style(step: tuple[str, ...]) -> None:
    _run(sys.executable, "-m", "ruff", *step, "bnlint")


@_needs("mypy")
def test_types() -> None:
    _run(sys.executable, "-m", "mypy")


@_needs("importlinter")
def test_imports() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    _run(str(command) if command.exists() else shutil.which("lint-imports") or "lint-imports")
