"""A bar on a terminal that shows how far a comparison has come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bnlint.probing.trying.steps_shown import shown_by


@contextmanager
def progress_bar() -> Iterator[None]:
    """Inside the block, experiments show a bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total, visible=True)

        with shown_by(show):
            yield
