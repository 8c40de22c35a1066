"""What the README shows is what the commands print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [body for name, body in BLOCK.findall(README.read_text("utf-8")) if name == kind]


def shown(command: str, folder: Path = ROOT) -> str:
    """What a terminal of 100 columns shows: findings, then what goes to standard error."""
    words = shlex.split(command)
    assert words[0] == "bnlint", f"a console block shows a bnlint command: {command}"
    done = subprocess.run(
        [sys.executable, "-m", "bnlint", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


def test_the_first_two_commands_are_one_line_each() -> None:
    first, second = blocks("sh")[:2]
    assert first.count("\n") == second.count("\n") == 1
    assert "bnlint examples/" in first
    assert "pytest" in second


def test_ci_runs_the_second_command() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "README.md" in script
    assert "n == 2" in script


@pytest.mark.parametrize("body", blocks("console"), ids=lambda body: body.split("\n")[0][2:60])
def test_console_blocks_are_real(body: str, request: pytest.FixtureRequest) -> None:
    command, _, expected = body.partition("\n")
    assert command.startswith("$ ")
    printed = shown(command[2:])
    if request.config.getoption("--update-golden"):
        text = README.read_text("utf-8")
        README.write_text(text.replace(body, f"{command}\n{printed}"), "utf-8")
        return
    assert printed == expected


def test_every_example_is_shown_or_named() -> None:
    text = README.read_text("utf-8")
    named = [p.name for p in (ROOT / "examples").iterdir() if not p.name.startswith((".", "__"))]
    assert [name for name in named if name not in text] == []
