"""One file as a task for somebody else's executor: data in, data out, a warm worker kept between.

The task runs in a thread or a process of the executor, which must not import the user's code: the
file is traced in a child of a worker that stays warm for the tasks that follow.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from bnlint.domain.codec import decode, encode
from bnlint.domain.request import TraceRequest
from bnlint.isolation.pool import Pool
from bnlint.isolation.protocol import Limits

_IDLE = 60.0
"""Seconds after which a worker that no task asked for ends."""


def trace_task(request: Any, limits: Any) -> Any:
    """The outcome of a request; all three as JSON-ready data, so that any transport carries them.

    Raises
    ------
    UsageError
        When torch cannot be imported where the task runs.

    """
    with _bench(os.getpid()).borrowed(decode(Limits, limits)) as pool:
        (outcome,) = pool.trace([decode(TraceRequest, request)])
    return encode(outcome)


class _Bench:
    """Workers at rest; each is lent to one task at a time, since a task may be a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting: list[tuple[float, Pool]] = []

    @contextmanager
    def borrowed(self, limits: Limits) -> Iterator[Pool]:
        """A worker with these limits, put back to rest afterwards; one that failed is closed."""
        pool = self._take(limits)
        try:
            yield pool
        except BaseException:
            pool.close()
            raise
        with self._lock:
            self._resting.append((time.monotonic(), pool))
        timer = threading.Timer(_IDLE, self._close_idle)
        timer.daemon = True
        timer.start()

    def _take(self, limits: Limits) -> Pool:
        with self._lock:
            fitting = [kept for kept in self._resting if kept[1].limits == limits]
            if fitting:
                self._resting.remove(fitting[-1])
                return fitting[-1][1]
        return Pool(1, limits.timeout, limits.max_memory)

    def _close_idle(self) -> None:
        now = time.monotonic()
        with self._lock:
            idle = [kept for kept in self._resting if now - kept[0] >= _IDLE]
            self._resting = [kept for kept in self._resting if kept not in idle]
        for _, pool in idle:
            pool.close()


@cache
def _bench(process: int) -> _Bench:
    """The bench of this process; a fork starts with one of its own, as pipes can't be shared."""
    return _Bench()
