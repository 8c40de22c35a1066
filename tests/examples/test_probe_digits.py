"""The founding experiment on real digits, cut short: what a norm brings shows in the first step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

SCRIPT = Path(__file__).parents[2] / "examples" / "probe_digits.py"


def table(*options: str) -> dict[str, dict[str, float]]:
    """The rows that the example prints, by where the norm stands."""
    command = [sys.executable, str(SCRIPT), "--steps", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    columns, *rows = done.stdout.splitlines()[1:]
    names = columns.split()[2:]
    found = {}
    for row in rows:
        words = row.split()
        values = (float(word.rstrip("%")) for word in words[-len(names) :])
        found[words[-len(names) - 1]] = dict(zip(names, values, strict=True))
    return found


def test_a_norm_before_the_activation_brings_dead_units_back(tmp_path: Path) -> None:
    rows = table("--net", "mlp12 bias -0.5", "--plot", str(tmp_path))
    assert list(rows) == ["none", "before", "after"]
    assert rows["none"]["dead"] > 80
    assert rows["none"]["gradient"] == 0
    assert rows["before"]["dead"] == 0
    assert 0.1 < rows["before"]["gradient"] < 10
    assert rows["before"][".3"] < rows["none"][".3"]
    assert {p.suffix for p in tmp_path.rglob("*.*")} >= {".png"}
