"""Files spread over an executor that somebody else runs: a process pool, a Dask cluster, threads.

A task runs in a thread or a process of the executor, which must not import the user's code: the
file is traced in a child of a worker that stays warm for the tasks that follow. A lost task (its
worker died, the pool broke) is not blamed on the file: it is traced again here, in isolation and
under the limits, which also shows whether the file was the cause.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import contextmanager
from functools import cache
from typing import Any

from bnlint.domain.codec import decode, encode
from bnlint.domain.errors import BnlintError, Mistake, UsageError
from bnlint.domain.request import FileRequest, TraceOutcome
from bnlint.isolation.jobs import Limits, ask, asked
from bnlint.isolation.pool import Pool

_IDLE = 60.0
"""Seconds without a task after which a worker ends."""


def trace_spread(
    executor: Executor, requests: Sequence[FileRequest], jobs: int, limits: Limits
) -> Iterator[TraceOutcome]:
    """The outcomes in the order of the requests; ``jobs`` is for those that are traced again here.

    Raises
    ------
    UsageError
        When the executor takes no tasks, or its workers cannot import bnlint or torch.

    """
    sent = [ask(n, request) for n, request in enumerate(requests)]
    futures = {n: _submit(executor, data, encode(limits)) for n, data in enumerate(sent)}
    again: dict[int, TraceOutcome] = {}
    try:
        for n in range(len(requests)):
            if n in again:
                yield again.pop(n)
                continue
            data = _result(futures.pop(n))
            if data is not None:
                yield decode(TraceOutcome, data)
                continue
            # A pool that breaks takes all of its tasks along.
            lost = [n, *(m for m, future in futures.items() if _lost(future))]
            with Pool.within(limits, min(jobs, len(lost))) as pool:
                outcomes = pool.trace([requests[m] for m in lost])
                again |= dict(zip(lost, outcomes, strict=True))
            futures = {m: future for m, future in futures.items() if m not in again}
            yield again.pop(n)
    finally:
        for future in futures.values():
            if future is not None:
                future.cancel()


def _submit(executor: Executor, request: bytes, limits: Any) -> Future[Any] | None:
    """The future of one task; None when the executor broke while tasks were handed out."""
    try:
        return executor.submit(trace_task, request, limits)
    except BrokenExecutor:
        return None
    except (AttributeError, TypeError, RuntimeError) as error:
        hint = "pass one with submit(), such as ProcessPoolExecutor() or client.get_executor()"
        raise UsageError(Mistake(f"the executor takes no tasks: {error}", hint=hint)) from error


def _result(future: Future[Any] | None) -> Any:
    """What the task returned; None when it was lost."""
    try:
        return None if future is None else future.result()
    except BnlintError:
        raise
    except ImportError as error:
        hint = "install the same bnlint in the environment of the executor's workers"
        raise UsageError(Mistake(f"a worker of the executor failed: {error}", hint=hint)) from error
    except (Exception, CancelledError):
        return None


def _lost(future: Future[Any] | None) -> bool:
    """True when it is known already that a task has no result."""
    if future is None or future.cancelled():
        return True
    error = future.exception() if future.done() else None
    return error is not None and not isinstance(error, (BnlintError, ImportError))


def trace_task(request: bytes, limits: Any) -> Any:
    """The outcome of a request in one line; all plain data, so that any transport can carry it.

    Raises UsageError when torch cannot be imported where the task runs.
    """
    _, _, decoded = asked(request)
    with _bench(os.getpid()).borrowed(decode(Limits, limits)) as pool:
        (outcome,) = pool.trace([decoded])
    return encode(outcome)


class _Bench:
    """Idle workers; each is lent to one task at a time, since a task may be a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Pool]] = []

    @contextmanager
    def borrowed(self, limits: Limits) -> Iterator[Pool]:
        """A worker with these limits, kept for the next task; one that failed is closed."""
        pool = self._take(limits)
        try:
            yield pool
        except BaseException:
            pool.close()
            raise
        with self._lock:
            self._idle.append((time.monotonic(), pool))
        timer = threading.Timer(_IDLE, self._close_idle)
        timer.daemon = True
        timer.start()

    def _take(self, limits: Limits) -> Pool:
        with self._lock:
            fitting = [kept for kept in self._idle if kept[1].limits == limits]
            if fitting:
                self._idle.remove(fitting[-1])
                return fitting[-1][1]
        return Pool.within(limits)

    def _close_idle(self) -> None:
        now = time.monotonic()
        with self._lock:
            idle = [kept for kept in self._idle if now - kept[0] >= _IDLE]
            self._idle = [kept for kept in self._idle if kept not in idle]
        for _, pool in idle:
            pool.close()


@cache
def _bench(process: int) -> _Bench:
    """The bench of this process; a fork starts with one of its own, as pipes can't be shared."""
    return _Bench()
