from __future__ import annotations

import io
import sys

import pytest

from bnlint.cli.output import bar
from bnlint.config import Settings


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _advance(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, total: int, **given: bool
) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with bar(Settings(**given)) as progress:  # type: ignore[arg-type]
        if progress:
            for done in range(1, total + 1):
                progress(done, total, f"models/net{done}.py")
    return stream.getvalue()


def test_many_files_on_a_terminal_show_a_bar_that_goes_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = _advance(monkeypatch, Terminal(), 20)
    assert "models/net20.py" in text
    assert text.rstrip().endswith("\x1b[2K")


def test_nothing_is_drawn_for_few_files_without_a_terminal_or_when_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _advance(monkeypatch, Terminal(), 2) == ""
    assert _advance(monkeypatch, io.StringIO(), 20) == ""
    assert _advance(monkeypatch, Terminal(), 20, quiet=True) == ""
