"""A progress bar on standard error for runs that take a while, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bnlint.config import Settings

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all, and the file that was done last."""

_WORTH_A_BAR = 5


@contextmanager
def bar(settings: Settings) -> Iterator[Progress | None]:
    """What to call after each file; None when nobody would see a bar."""
    if settings.quiet or not sys.stderr.isatty():
        yield None
        return
    shown = _Bar()
    try:
        yield shown.advance
    finally:
        shown.close()


class _Bar:
    """The bar; rich is imported only once there are enough files to wait for."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def advance(self, done: int, total: int, file: str) -> None:
        """Move to ``done`` of ``total``; ``file`` is the one that was done last."""
        if total < _WORTH_A_BAR:
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import Progress as RichProgress

            self._progress = RichProgress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("checking", total=total)
            self._progress.start()
        self._progress.update(self._task, completed=done, description=file[-40:])

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
