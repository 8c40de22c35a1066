"""The completion script, as bash uses it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("shtab")

from bnlint.cli import main
from bnlint.cli.commands import COMMANDS
from bnlint.cli.completion import SHELLS


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", "bash"]) == 0
    path = tmp_path / "bnlint.bash"
    path.write_text(capsys.readouterr().out)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bnlint exp", ["explain"]),
        ("bnlint ne", ["net.py"]),
        ("bnlint check ne", ["net.py"]),
        ("bnlint explain BN301", ["BN301"]),
        ("bnlint explain norm-dr", ["norm-drift"]),
        ("bnlint --stat", ["--statistics"]),
        ("bnlint net.py --fail-on w", ["warning"]),
        ("bnlint net.py --format sa", ["sarif"]),
        ("bnlint net.py --select A", ["ALL"]),
        ("bnlint baseline w", ["write"]),
        ("bnlint baseline write ne", ["net.py"]),
        ("bnlint completion z", ["zsh"]),
        ("bnlint compare --st", ["--staged"]),
        ("bnlint compare main ne", ["net.py"]),
        ("bnlint compare main --fail-on ch", ["checkpoint"]),
        ("bnlint compare main --format ma", ["markdown"]),
        ("bnlint test-rules --iso", ["--isolated"]),
        ("bnlint explain BN301 --ru", ["--rules"]),
        ("bnlint probe ne", ["net.py"]),
        ("bnlint probe net.py --da", ["--data"]),
    ],
)
def test_bash_completes(script: Path, tmp_path: Path, line: str, expected: list[str]) -> None:
    (tmp_path / "net.py").touch()
    words = line.split(" ")
    code = (
        f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
        '_shtab_bnlint; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == expected, done.stderr


def test_every_command_is_completed(script: Path) -> None:
    (line,) = re.findall(
        r"^_shtab_bnlint_pos_0_choices=\((.*)\)$", script.read_text(), re.MULTILINE
    )
    assert set(line.split()) == set(COMMANDS)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "bnlint" in capsys.readouterr().out
