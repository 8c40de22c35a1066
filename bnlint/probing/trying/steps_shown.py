"""How far a long experiment has come, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

Show = Callable[[str, int, int], None]
"""Takes what is being done, and how many of how many steps are done."""


@dataclass(slots=True)
class _Count:
    show: Show
    done: int = 0
    total: int = 0


_COUNT: ContextVar[_Count | None] = ContextVar("count", default=None)


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Inside the block, ``show`` is called as experiments go on."""
    token = _COUNT.set(_Count(show))
    try:
        yield
    finally:
        _COUNT.reset(token)


def expect(steps: int) -> None:
    """Says that an experiment of so many steps begins."""
    count = _COUNT.get()
    if count is not None:
        count.done, count.total = 0, steps


def advance(what: str, steps: int = 1) -> None:
    """Says that so many steps of ``what`` are done."""
    count = _COUNT.get()
    if count is not None:
        count.done += steps
        count.show(what, min(count.done, count.total), count.total)
