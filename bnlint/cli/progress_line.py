"""One line about what is being done, on a terminal, for what takes longer than a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import Any

from bnlint.config import Settings
from bnlint.pipeline.run import Progress

_PATIENCE = 0.6
"""Seconds until the line appears: rich is only imported by what takes longer."""

_WIDEST = 60
"""Characters of a path that are shown, counted from its end."""


@contextmanager
def bar(settings: Settings, doing: str = "checking") -> Iterator[Progress | None]:
    """A function to call before each file; None when nobody would see a line.

    ``doing`` is shown until the first file is named.
    """
    if settings.quiet or not sys.stderr.isatty():
        yield None
        return
    line = _Line(doing)
    try:
        yield line.advance
    finally:
        line.stop()


class _Line:
    """The line, drawn by a thread of its own: whatever is waited for, the time goes on."""

    def __init__(self, doing: str) -> None:
        self._done, self._total, self._text = 0, 0, doing
        self._lock = Lock()
        self._shown: Any = None
        self._timer = Timer(_PATIENCE, self._start)
        self._timer.daemon = True
        self._timer.start()

    def advance(self, done: int, total: int, file: str) -> None:
        """Show how many files are done, and the one that is being run."""
        with self._lock:
            self._done, self._total, self._text = done, total, file
            self._draw()

    def stop(self) -> None:
        """Take the line away."""
        self._timer.cancel()
        self._timer.join()
        if self._shown is not None:
            self._shown.stop()

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        columns = (SpinnerColumn(), "{task.fields[count]}", BarColumn(20), TimeElapsedColumn())
        with self._lock:
            name = TextColumn("{task.description}", markup=False)
            self._shown = RichProgress(*columns, name, console=console, transient=True)
            self._shown.add_task("", total=None, count="")
            self._draw()
            self._shown.start()

    def _draw(self) -> None:
        if self._shown is None:
            return
        text = self._text if len(self._text) <= _WIDEST else f"…{self._text[-_WIDEST + 1 :]}"
        many = self._total > 1
        self._shown.update(
            self._shown.task_ids[0],
            completed=self._done,
            total=self._total if many else None,
            description=text,
            count=f"{self._done}/{self._total}" if many else "",
        )
