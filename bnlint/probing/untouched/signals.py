"""Signals that wait while something is put back, which must not end halfway."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2")


class HeldSignals:
    """Signals with a handler in Python, which may raise an exception anywhere in the main thread.

    They are handled as ever until ``hold`` is called or the code that holds them has begun, and
    from then on by ``release``.
    """

    def __init__(self, holder: CodeType) -> None:
        self._holder = holder
        self._holding = False
        self._waiting: list[int] = []
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def watch(self) -> None:
        """Take the place of the handlers."""
        if threading.current_thread() is not threading.main_thread():
            return  # handlers run in that one
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            handler = signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._arrived)

    def hold(self) -> None:
        """Let signals wait from here."""
        self._holding = True

    def release(self) -> None:
        """Give the handlers back, and handle what has waited."""
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._arrived:  # else somebody else has set another
                signal.signal(number, handler)
        self._holding = False
        for number in dict.fromkeys(self._waiting):
            self._handlers[number](number, None)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._holding or (frame is not None and frame.f_code is self._holder):
            self._waiting.append(number)
        else:
            self._handlers[number](number, frame)
