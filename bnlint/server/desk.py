"""A thread that does one thing after the other, so that the editor is always answered."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Desk:
    """Takes errands and does them in their order.

    The thread is a daemon: when the editor leaves, nobody waits for a file that is still traced.
    """

    def __init__(self) -> None:
        self._errands: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._work, name="bnlint-desk", daemon=True).start()

    async def ask(self, errand: Callable[[], T]) -> T:
        """The result of an errand; raises what it raises."""
        future: Future[T] = Future()
        self._errands.put((future, errand))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            future, errand = self._errands.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(errand())
            except BaseException as error:  # whoever asked must hear of it, and the thread live on
                future.set_exception(error)
