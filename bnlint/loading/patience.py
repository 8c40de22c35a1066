"""Code of the user that runs for long: it is stopped, and the rest goes on.

A training loop without a main guard would otherwise use up the time for the whole file, and so
would a constructor that computes tables of a guessed size.
"""

from __future__ import annotations

import ast
import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

_FACTOR = 4
"""How much longer a statement may take that binds names: it may build a big model."""

_AGAIN = 0.5
"""Seconds after which code that caught the first stop is stopped again."""


_SWITCHING = ("contextlib.py", "torch/overrides.py", "torch/utils/_python_dispatch.py")
"""Code that enters and leaves modes: stopped in its midst it would leave them in disorder."""


class Stopped(BaseException):
    """Raised in user code that ran for too long; no ``except Exception`` catches it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"stopped after {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a statement may run: 0 for any number."""

    seconds: float = 0

    @contextlib.contextmanager
    def during(self, node: ast.stmt) -> Iterator[None]:
        """Raise :class:`Stopped` inside the block when the statement takes too long.

        A statement that is run by another one shares the time of that one.
        """
        with limited(self.seconds * _weight(node)):
            yield


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise :class:`Stopped` inside the block when it takes more seconds; with 0, never.

    Only in the main thread, and only where the system has such timers. A block inside of another
    one shares the time of that one.
    """
    if not (seconds and _has_timer()) or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        if frame is None or not frame.f_code.co_filename.endswith(_SWITCHING):
            raise Stopped(seconds)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _has_timer() -> bool:
    main = threading.current_thread() is threading.main_thread()
    return main and hasattr(signal, "setitimer")


def _weight(node: ast.stmt) -> int:
    """0 for imports and definitions, which must not be cut off; more for what binds names."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)):
        return 0
    imports = any(isinstance(part, (ast.Import, ast.ImportFrom)) for part in ast.walk(node))
    binds = isinstance(node, (ast.Assign, ast.AnnAssign))
    return _FACTOR if imports or binds else 1
