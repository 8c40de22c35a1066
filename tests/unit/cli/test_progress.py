from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable

import pytest

from bnlint.cli import progress_line as line
from bnlint.config import Settings


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    def run(
        stream: io.StringIO, total: int, lasts: float, patience: float = 0.0, **given: bool
    ) -> str:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(line, "_PATIENCE", patience)
        with line.bar(Settings(**given), "waiting") as advance:  # type: ignore[arg-type]
            for done in range(total):
                if advance:
                    advance(done, total, f"models/net{done}.py")
            time.sleep(lasts)
        return stream.getvalue()

    return run


def test_the_file_that_is_being_run_is_shown_while_it_runs(drawn: Callable[..., str]) -> None:
    text = drawn(Terminal(), 20, 0.5)
    assert "19/20" in text
    assert "models/net19.py" in text
    assert text.rstrip().endswith("\x1b[2K")


def test_a_single_file_and_what_has_no_files_are_shown_too(drawn: Callable[..., str]) -> None:
    text = drawn(Terminal(), 1, 0.5)
    assert "models/net0.py" in text
    assert "0/1" not in text
    assert "waiting" in drawn(Terminal(), 0, 0.5)


def test_nothing_is_drawn_for_a_moment_without_a_terminal_or_when_quiet(
    drawn: Callable[..., str],
) -> None:
    assert drawn(Terminal(), 20, 0.0, patience=30.0) == ""
    assert drawn(io.StringIO(), 20, 0.1) == ""
    assert drawn(Terminal(), 20, 0.1, quiet=True) == ""


def test_the_line_appears_within_a_second() -> None:
    assert line._PATIENCE <= 0.8  # rich takes the rest to load
