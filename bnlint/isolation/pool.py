"""Many files traced by a warm worker, seen from the host, which never imports torch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

from bnlint.domain.request import FileRequest, TraceOutcome
from bnlint.isolation import endings
from bnlint.isolation.jobs import NO_LIMIT, Ended, Limits
from bnlint.isolation.processes import Worker, alone

_PER_JOB = 4
"""Requests sent per job before the outcome that is yielded next is in."""


class Pool:
    """Traces files in child processes, ``jobs`` at a time; a context manager.

    The worker starts at once, so that torch loads while the host imports the rest. Where the
    system cannot fork, or ``fork`` is False, each file gets a fresh process. Jobs that are not
    confined may print only if ``prints`` is set.
    """

    def __init__(
        self,
        jobs: int = 1,
        timeout: float = 60.0,
        max_memory: int = 4 << 30,
        *,
        sandbox: str = "auto",
        fork: bool = hasattr(os, "fork"),
        prints: bool = False,
    ) -> None:
        self.jobs = max(1, jobs)
        self.limits = Limits(timeout, max_memory, sandbox)
        self._prints = prints
        self._worker = Worker(self.jobs, self.limits, prints=prints) if fork else None
        self._fork = fork
        self._sent = 0

    @classmethod
    def within(cls, limits: Limits, jobs: int = 1, *, prints: bool = False) -> Pool:
        """A pool with these limits."""
        given = jobs, limits.timeout, limits.max_memory
        return cls(*given, sandbox=limits.sandbox, prints=prints)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker; the pool cannot be used afterwards."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def trace(self, requests: Iterable[FileRequest]) -> Iterator[TraceOutcome]:
        """The outcomes in the order of the requests, each as soon as it and those before it are in.

        Raises
        ------
        UsageError
            When torch cannot be imported.

        """
        return self._trace_warm(requests) if self._fork else self._trace_fresh(requests)

    @contextmanager
    def job(self, request: Any) -> Iterator[Ended]:
        """How a job that is not confined ended; its folder exists as long as the block.

        It is forked from the worker once that has traced all it was sent; it has a process of its
        own where there is no worker left.
        """
        number, self._sent = self._sent, self._sent + 1
        worker = self._worker
        sent = worker is not None and worker.send(number, request)
        ended = worker.receive(NO_LIMIT) if worker is not None and sent else None
        if worker is not None and ended is not None:
            yield ended
            worker.drop(number)
            return
        with alone(request, replace(self.limits, timeout=0, max_memory=0)) as ended:
            yield ended

    def _trace_warm(self, requests: Iterable[FileRequest]) -> Iterator[TraceOutcome]:
        source = iter(requests)
        order: deque[int] = deque()
        pending: dict[int, FileRequest] = {}
        done: dict[int, TraceOutcome] = {}
        while True:
            while len(order) < self.jobs * _PER_JOB and (request := next(source, None)):
                order.append(self._sent)
                pending[self._sent] = request
                self._open_worker.send(self._sent, request)  # receive notices a dead worker
                self._sent += 1
            if not order:
                return
            while order[0] not in done:
                self._receive(pending, done)
            yield done.pop(order.popleft())

    def _trace_fresh(self, requests: Iterable[FileRequest]) -> Iterator[TraceOutcome]:
        from concurrent.futures import Future, ThreadPoolExecutor

        source = iter(requests)
        with ThreadPoolExecutor(self.jobs) as executor:
            waiting: deque[Future[TraceOutcome]] = deque()
            while True:
                for request in islice(source, self.jobs * 2 - len(waiting)):
                    waiting.append(executor.submit(self._trace_alone, request))
                if not waiting:
                    return
                yield waiting.popleft().result()

    def _trace_alone(self, request: FileRequest) -> TraceOutcome:
        with alone(request, self.limits) as ended:
            return endings.outcome(request, ended, self.limits)

    @property
    def _open_worker(self) -> Worker:
        assert self._worker is not None, "the pool is closed"
        return self._worker

    def _receive(self, pending: dict[int, FileRequest], done: dict[int, TraceOutcome]) -> None:
        ended = self._open_worker.receive()
        if ended is None:
            self._recover(pending, done)
        elif ended.number in pending:
            request = pending.pop(ended.number)
            done[ended.number] = endings.outcome(request, ended, self.limits)
            self._open_worker.drop(ended.number)  # big files would stay until the end

    def _recover(self, pending: dict[int, FileRequest], done: dict[int, TraceOutcome]) -> None:
        """Try the requests of a dead worker one by one, so that only the culprit is blamed."""
        worker = self._restart()
        for number, request in list(pending.items()):
            ended = worker.receive() if worker.send(number, request) else None
            if ended is None:
                done[number] = endings.died(request)
                worker = self._restart()
            else:
                done[number] = endings.outcome(request, ended, self.limits)
            del pending[number]

    def _restart(self) -> Worker:
        self.close()
        self._worker = Worker(self.jobs, self.limits, prints=self._prints)
        return self._worker
