"""A worker for a run that traces files first and then does another job: torch is imported once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from bnlint.domain.request import FileRequest, TraceOutcome
from bnlint.isolation.jobs import Ended, Limits
from bnlint.isolation.pool import Pool
from bnlint.isolation.processes import alone


class OneWorker:
    """A worker that starts when there is a file to trace; a context manager.

    A job after that is forked from it, too. Without one (all files were in the cache), or if the
    job is not to ``share`` it, the job has a process of its own.
    """

    def __init__(self, limits: Limits, *, share: bool = True) -> None:
        self.limits, self.share = limits, share
        self._pool: Pool | None = None
        self._stack = ExitStack()

    def __enter__(self) -> OneWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def trace(self, requests: Iterable[FileRequest]) -> Iterator[TraceOutcome]:
        """The outcomes in the order of the requests."""
        if self._pool is None:
            self._pool = self._stack.enter_context(Pool.within(self.limits, prints=True))
        return self._pool.trace(requests)

    @contextmanager
    def job(self, request: Any) -> Iterator[Ended]:
        """How a job without limits ended; its folder exists as long as the block."""
        if self._pool is not None and self.share:
            with self._pool.job(request) as ended:
                yield ended
            return
        self._stack.close()
        with alone(request, replace(self.limits, timeout=0, max_memory=0)) as ended:
            yield ended
