"""Text that is no Python becomes a Problem that says why."""

from __future__ import annotations

import pytest

from bnlint.domain.finding import Problem
from bnlint.loading.parsing import read

DEEP = {"signs": "-" * 40_000 + "1", "sums": "+".join(["1"] * 60_000), "dots": "a" + ".b" * 60_000}


@pytest.mark.parametrize("name", DEEP)
def test_an_expression_that_is_too_deep(name: str) -> None:
    found = read("net.py", f"x = {DEEP[name]}\n")
    assert isinstance(found, Problem)
    assert "nested too deeply" in found.message
    assert found.blocking
