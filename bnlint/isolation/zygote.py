"""The loop of a warm worker: read requests, fork a child for each, watch time, tell how each ended.

A fork of a process that has torch loaded takes milliseconds, against a second for a fresh import.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bnlint.domain.request import TraceRequest
from bnlint.isolation import child
from bnlint.isolation.protocol import LATE, SCRATCH, Ended, Limits, asked, line

_LONG_QUEUE = 3
"""Requests waiting from which on it pays to load once, here, what a child had to load."""


@dataclass(frozen=True, slots=True)
class Running:
    """A child at work."""

    number: int
    folder: str
    started: float


@dataclass(slots=True)
class Zygote:
    """Forks up to ``jobs`` children at once; ``source`` and ``sink`` are pipes to the host."""

    source: int
    sink: int
    folder: str
    jobs: int
    limits: Limits
    tracer: child.Tracer
    warm: Callable[[], None]
    late: bool = False
    waiting: deque[tuple[int, TraceRequest]] = field(default_factory=deque)
    running: dict[int, Running] = field(default_factory=dict)
    overdue: set[int] = field(default_factory=set)
    open: bool = True
    rest: bytes = b""

    def serve(self) -> None:
        """Work until the host closes its end; then end what still runs."""
        wake, alarm = os.pipe()
        os.set_blocking(alarm, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        try:
            while self.open:
                self._turn(wake)
        finally:
            for pid in self.running:
                _end_group(pid)

    def _turn(self, wake: int) -> None:
        ready, _, _ = select.select([self.source, wake], [], [], self._patience())
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if self.source in ready:
            self._read()
        self._end_overdue()
        self._reap()
        if self.late and len(self.waiting) >= _LONG_QUEUE:
            self.warm()
            self.late = False
        while self.waiting and len(self.running) < self.jobs:
            self._fork(*self.waiting.popleft())

    def _patience(self) -> float | None:
        """Seconds until the first child is out of time."""
        pending = [r.started for pid, r in self.running.items() if pid not in self.overdue]
        if not pending:
            return None
        return max(0.0, min(pending) + self.limits.seconds - time.monotonic())

    def _read(self) -> None:
        text = os.read(self.source, 1 << 16)
        if not text:
            self.open = False
        *lines, self.rest = (self.rest + text).split(b"\n")
        self.waiting.extend(map(asked, lines))

    def _fork(self, number: int, request: TraceRequest) -> None:
        folder = os.path.join(self.folder, str(number))
        os.makedirs(folder)
        pid = os.fork()
        if pid == 0:
            self._become_child(folder, request)
        self.running[pid] = Running(number, folder, time.monotonic())

    def _become_child(self, folder: str, request: TraceRequest) -> None:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self.source)
            os.close(self.sink)
            child.run(folder, request, self.limits, self.tracer)
        finally:
            os._exit(1)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for pid, run in self.running.items():
            if pid not in self.overdue and now - run.started >= self.limits.seconds:
                self.overdue.add(pid)
                _end_group(pid)

    def _reap(self) -> None:
        for pid in list(self.running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._tell(pid, os.waitstatus_to_exitcode(status))

    def _tell(self, pid: int, status: int) -> None:
        run = self.running.pop(pid)
        _end_group(pid)  # what the user's code started and left behind
        killed = "timeout" if pid in self.overdue else ""
        self.overdue.discard(pid)
        shutil.rmtree(os.path.join(run.folder, SCRATCH), ignore_errors=True)
        self.late |= os.path.exists(os.path.join(run.folder, LATE))
        seconds = time.monotonic() - run.started
        os.write(self.sink, line(Ended(run.number, run.folder, status, killed, seconds)))


def _end_group(pid: int) -> None:
    """Kill a child and all it started; it may not have made its own group yet."""
    for end, what in ((os.killpg, pid), (os.kill, pid)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(what, signal.SIGKILL)
