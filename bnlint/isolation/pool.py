"""Workers for files, seen from the host, which never imports torch."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from bnlint.domain.codec import decode
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.request import TraceOutcome, TraceRequest
from bnlint.isolation import verdict
from bnlint.isolation.protocol import Ended, Hello, Limits, ask

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_START = (
    f"import sys; {_ROOT!r} in sys.path or sys.path.append({_ROOT!r});"
    "from bnlint.isolation.worker import main; main()"
)
_PER_JOB = 4
"""Requests handed out ahead of the outcome that is yielded next, per job."""


def start(settings: dict[str, Any], **streams: Any) -> subprocess.Popen[bytes]:
    """A worker process of its own session, importing what the host would import.

    ``-P`` keeps the current folder out of its path: a ``random.py`` there is no module of ours.
    """
    command = [sys.executable, "-P", "-c", _START, json.dumps(settings)]
    return subprocess.Popen(command, start_new_session=True, **streams)


class Worker:
    """One warm worker process; its torch loads while the host goes on."""

    def __init__(self, jobs: int, limits: Limits) -> None:
        settings = {"jobs": jobs, "timeout": limits.timeout, "max_memory": limits.max_memory}
        self._process = start(
            settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._folder = ""
        self.torch = ""

    def send(self, number: int, request: TraceRequest) -> bool:
        """Hand a request over; False when the worker is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(ask(number, request))
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def receive(self) -> Ended | None:
        """How the next child ended; None when the worker is gone."""
        if not self.torch and not self._greet():
            return None
        text = self._read()
        return decode(Ended, json.loads(text)) if text else None

    def close(self) -> None:
        """End the worker and everything it started."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what a dead worker was still to be told
                    stream.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._folder and os.path.isdir(self._folder):
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)

    def _greet(self) -> bool:
        text = self._read()
        if not text:
            status = self._process.wait()
            if status < 0:  # killed while torch loads: lost like any other worker, and tried again
                return False
            raise UsageError(_no_torch(f"the worker ended with status {status}"))
        hello = decode(Hello, json.loads(text))
        self._folder, self.torch = hello.folder, hello.torch
        if hello.error:
            raise UsageError(_no_torch(hello.error))
        return True

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        return text if text.endswith(b"\n") else b""


def _no_torch(reason: str) -> Mistake:
    return Mistake(
        f"PyTorch cannot be imported by {sys.executable}: {reason}",
        hint="install torch into the environment bnlint runs in",
    )


class Pool:
    """Traces files in child processes, ``jobs`` at a time; a context manager.

    The worker starts at once, so that torch loads while the host imports the rest. Where the
    system cannot fork, or ``fork`` is False, each file gets a fresh process.
    """

    def __init__(
        self,
        jobs: int = 1,
        timeout: float = 60.0,
        max_memory: int = 4 << 30,
        *,
        fork: bool = hasattr(os, "fork"),
    ) -> None:
        self.jobs = max(1, jobs)
        self.limits = Limits(timeout, max_memory)
        self._worker = Worker(self.jobs, self.limits) if fork else None
        self._fork = fork
        self._sent = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker; the pool cannot be used afterwards."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def trace(self, requests: Iterable[TraceRequest]) -> Iterator[TraceOutcome]:
        """The outcomes in the order of the requests, each as soon as it and those before it are in.

        Raises
        ------
            UsageError: torch cannot be imported.

        """
        if self._fork:
            return self._trace_warm(requests)
        from bnlint.isolation.fresh import trace_fresh

        return trace_fresh(requests, self.jobs, self.limits)

    def _trace_warm(self, requests: Iterable[TraceRequest]) -> Iterator[TraceOutcome]:
        source = iter(requests)
        order: deque[int] = deque()
        pending: dict[int, TraceRequest] = {}
        done: dict[int, TraceOutcome] = {}
        while True:
            while len(order) < self.jobs * _PER_JOB and (request := next(source, None)):
                order.append(self._sent)
                pending[self._sent] = request
                self._send(self._sent, request)
                self._sent += 1
            if not order:
                return
            while order[0] not in done:
                self._receive(pending, done)
            yield done.pop(order.popleft())

    def _send(self, number: int, request: TraceRequest) -> None:
        assert self._worker is not None, "the pool is closed"
        self._worker.send(number, request)  # a dead worker is noticed by receive

    def _receive(self, pending: dict[int, TraceRequest], done: dict[int, TraceOutcome]) -> None:
        assert self._worker is not None, "the pool is closed"
        ended = self._worker.receive()
        if ended is None:
            self._recover(pending, done)
        elif ended.number in pending:
            request = pending.pop(ended.number)
            done[ended.number] = verdict.outcome(request, ended, self.limits)
            _clear(ended.folder)

    def _recover(self, pending: dict[int, TraceRequest], done: dict[int, TraceOutcome]) -> None:
        """Try what a dead worker left one by one, so that only the culprit is blamed."""
        worker = self._restart()
        for number, request in list(pending.items()):
            ended = worker.receive() if worker.send(number, request) else None
            if ended is None:
                done[number] = verdict.died(request)
                worker = self._restart()
            else:
                done[number] = verdict.outcome(request, ended, self.limits)
            del pending[number]

    def _restart(self) -> Worker:
        if self._worker is not None:
            self._worker.close()
        self._worker = Worker(self.jobs, self.limits)
        return self._worker


def _clear(folder: str) -> None:
    """Remove an answer that was read; its big files would otherwise stay until the end."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            os.unlink(path)
