"""Where a new suppression comment goes."""

from __future__ import annotations

import pytest

from bnlint.findings.commenting import insertion


def _after(text: str, line: int, *rules: str, reason: str = "why") -> str:
    found = insertion(text, line, rules or ("BN1",), reason)
    lines = text.splitlines(keepends=True)
    at = lines[found.line - 1]
    lines[found.line - 1] = at[: found.column] + found.text + at[found.column :]
    return "".join(lines)


COMMENT = "# bnlint: ignore[BN1] -- why"


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a = f()\n", 1, f"a = f()  {COMMENT}\n"),
        ("a = f()", 1, f"a = f()  {COMMENT}"),
        ("a = f()  # note \n", 1, f"a = f()  # note  {COMMENT} \n"),
        ("a = f(\n    g(),\n)\n", 2, f"a = f(\n    g(),  {COMMENT}\n)\n"),
        ('if x:\n    a = f("""\n""")\n', 2, f'if x:\n    {COMMENT}\n    a = f("""\n""")\n'),
        ("a = f() + \\\n    g()\n", 1, f"{COMMENT}\na = f() + \\\n    g()\n"),
        ("a = f() + \\\n    g()\n", 2, f"a = f() + \\\n    g()  {COMMENT}\n"),
        ('a = f("""\n""")\r\n', 1, f'{COMMENT}\na = f("""\n""")\r\n'),
        ("a = '# bnlint: ignore[BN2]'\n", 1, f"a = '# bnlint: ignore[BN2]'  {COMMENT}\n"),
        (
            "a = f()  # bnlint: ignore[BN2] -- old\n",
            1,
            "a = f()  # bnlint: ignore[BN2, BN1] -- old\n",
        ),
    ],
)
def test_a_comment_is_added(text: str, line: int, expected: str) -> None:
    assert _after(text, line) == expected


def test_several_rules_share_a_comment() -> None:
    assert _after("a = f()\n", 1, "BN1", "BN2") == "a = f()  # bnlint: ignore[BN1, BN2] -- why\n"
