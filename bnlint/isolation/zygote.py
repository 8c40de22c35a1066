"""The loop of the worker process: a fork for each request, as many at once as there are jobs.

Where several files begin with the same imports, those are done once: see :mod:`nurseries`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bnlint.isolation.child import run_job
from bnlint.isolation.descendants import adopt_orphans, end_group, end_strangers
from bnlint.isolation.folders import HeldFolder
from bnlint.isolation.jobs import (
    LATE,
    NO_LIMIT,
    TRACE,
    Ended,
    JobKind,
    Limits,
    asked,
    imported,
    line,
)
from bnlint.isolation.sharing.nurseries import Nurseries

try:
    import resource
except ImportError:  # no such limits on Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from bnlint.isolation.worker import Inherited

_LONG_QUEUE = 3
"""From this many waiting requests on, it pays to load here what a child had to load late."""


def _own_limits() -> tuple[tuple[int, int], ...]:
    """The limits of this process, which its children can change."""
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return tuple(resource.getrlimit(getattr(resource, name)) for name in names)


@dataclass(slots=True)
class Running:
    """A child at work, to be ended at ``deadline``."""

    number: int
    folder: str
    deadline: float
    overdue: bool = False


@dataclass(slots=True)
class Zygote:
    """Forks up to ``jobs`` children at once; ``source`` and ``sink`` are pipes to the host."""

    source: int
    sink: int
    held: HeldFolder
    jobs: int
    limits: Limits
    inherited: Inherited
    nurseries: Nurseries | None = None
    late: bool = False
    waiting: deque[tuple[int, JobKind, Any]] = field(default_factory=deque)
    running: dict[int, Running] = field(default_factory=dict)
    open: bool = True
    rest: bytes = b""
    own_limits: tuple[tuple[int, int], ...] = field(default_factory=_own_limits)

    def serve(self) -> None:
        """Work until the host closes its end; then end what still runs."""
        wake, alarm = os.pipe()
        for end in (wake, alarm):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        adopt_orphans()
        try:
            while self.open:
                self._turn(wake)
        finally:
            for pid in self.running:
                end_group(pid)
            if self.nurseries is not None:
                self.nurseries.end()
            end_strangers(())

    def with_nurseries(self) -> Zygote:
        """The same, with processes that import for several files."""

        def serve(source: int, sink: int, held: HeldFolder) -> None:
            Zygote(source, sink, held, self.jobs, self.limits, self.inherited).serve()

        self.nurseries = Nurseries(self.held, self.limits, serve, (self.source, self.sink))
        return self

    def _turn(self, wake: int) -> None:
        lenders = () if self.nurseries is None else self.nurseries.descriptors()
        ready, _, _ = select.select([self.source, wake, *lenders], [], [], self._patience())
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if self.source in ready:
            self._read()
        self._end_overdue()
        self._reap()
        if self.nurseries is not None:
            self._share(self.nurseries, ready)
        if self.late and len(self.waiting) >= _LONG_QUEUE:
            imported(TRACE.warm_up)()
            self.late = False
        while self.open and self.waiting and self._busy() < self.jobs:
            number, kind, request = self.waiting.popleft()
            if self.nurseries is None or not self.nurseries.lend(number, kind, request):
                self._fork(number, kind, request)

    def _share(self, nurseries: Nurseries, ready: Collection[int]) -> None:
        """Pass on what nurseries answered; keep them only as long as there is work."""
        for ended in nurseries.collect(ready, self.waiting.appendleft):
            os.write(self.sink, line(ended))
        nurseries.consider(self.waiting)
        nurseries.rest(not (self.waiting or self._busy()))

    def _busy(self) -> int:
        return len(self.running) + (self.nurseries.busy() if self.nurseries is not None else 0)

    def _patience(self) -> float | None:
        pending = [run.deadline for run in self.running.values() if not run.overdue]
        pending += self.nurseries.deadlines() if self.nurseries is not None else ()
        return max(0.0, min(pending) - time.monotonic()) if pending else None

    def _read(self) -> None:
        text = os.read(self.source, 1 << 16)
        if not text:
            self.open = False
        *lines, self.rest = (self.rest + text).split(b"\n")
        self.waiting.extend(map(asked, lines))

    def _fork(self, number: int, kind: JobKind, request: Any) -> None:
        if not self.held.stands() or _own_limits() != self.own_limits:
            # a child changed what is this process's own: the host starts another one
            self.open = False
            return
        folder = os.path.join(self.held.path, str(number))
        os.makedirs(folder, exist_ok=True)
        pid = os.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.close(self.source)
                os.close(self.sink)
                if not kind.confined:
                    self.inherited.restore()
                run_job(kind, request, folder, self.limits)
            finally:
                os._exit(1)
        patience = self.limits.seconds if kind.confined else NO_LIMIT
        self.running[pid] = Running(number, folder, time.monotonic() + patience)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for pid, run in self.running.items():
            if not run.overdue and now >= run.deadline:
                run.overdue = True
                end_group(pid)

    def _reap(self) -> None:
        for pid in list(self.running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._report(pid, os.waitstatus_to_exitcode(status))

    def _report(self, pid: int, status: int) -> None:
        run = self.running.pop(pid)
        end_group(pid)  # what the user's code started and left behind
        end_strangers((*self.running, *(self.nurseries.pids() if self.nurseries else ())))
        if self.nurseries is not None:
            self.nurseries.learn(run.number, run.folder)
        self.late |= os.path.exists(os.path.join(run.folder, LATE))
        killed = "timeout" if run.overdue else ""
        os.write(self.sink, line(Ended(run.number, run.folder, status, killed)))
