"""The worker process: torch is loaded once, then each job gets a fork of its own.

A fork of a process that has torch loaded takes milliseconds, a fresh import a second. Where a job
cannot be forked, this process does that one job itself. Jobs that are not confined get back what
this process was started with. Its only argument is a :class:`Setup` as JSON.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bnlint.isolation.child import ENVIRONMENT, run_job
from bnlint.isolation.descendants import adopt_orphans, end_group, end_strangers
from bnlint.isolation.folders import HeldFolder
from bnlint.isolation.jobs import (
    LATE,
    NO_LIMIT,
    TRACE,
    Ended,
    Hello,
    JobKind,
    Limits,
    Setup,
    asked,
    imported,
    line,
    parsed,
)
from bnlint.isolation.supervisor import supervise

try:
    import resource
except ImportError:  # no such limits on Windows
    resource = None  # type: ignore[assignment]

_TORCH_CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""Torch creates this folder when its compiler is imported; it is kept out of the user's own."""

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2

_LONG_QUEUE = 3
"""From this many waiting requests on, it pays to load here what a child had to load late."""


def main(arguments: list[str] | None = None) -> None:
    """Serve a pool over standard input and output, or do one job in this process."""
    setup = parsed(Setup, (arguments or sys.argv[1:])[0])
    warnings.simplefilter("ignore")  # of torch and the user's code, about other matters
    if setup.folder:
        _do_one(setup.folder, setup.limits)
    else:
        _serve(setup)


def _do_one(folder: str, limits: Limits) -> None:
    text = sys.stdin.buffer.read()
    if hasattr(os, "fork"):
        supervise(lambda: _work(text, folder, limits), folder)
    else:
        _work(text, folder, limits)


def _work(text: bytes, folder: str, limits: Limits) -> None:
    _, kind, request = asked(text)
    if kind.confined:
        os.environ.update(ENVIRONMENT)
        os.environ[_TORCH_CACHE] = os.path.join(folder, "torch")
        _load_torch()
    run_job(kind, request, folder, limits)


def _serve(setup: Setup) -> None:
    """Keep the pipes away from anything that prints, load torch, and fork on request."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    environment = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        inherited = Inherited(environment, _load_torch())
        TRACE.load()
    except Exception as error:
        os.write(sink, line(Hello(error=f"{type(error).__name__}: {error}")))
        return
    held = HeldFolder.new()
    os.environ[_TORCH_CACHE] = os.path.join(held.path, "torch")
    try:
        gc.collect()
        gc.freeze()
        os.write(sink, line(Hello(held.path)))
        Zygote(source, sink, held, setup.jobs, setup.limits, inherited).serve()
    finally:
        held.remove()
    os._exit(0)  # the host would wait a third of a second for an orderly end of torch


def _load_torch() -> int:
    """Import torch, for one thread; the number of threads that it would use."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    return threads


def _own_limits() -> tuple[tuple[int, int], ...]:
    """The limits of this process, which its children can change."""
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return tuple(resource.getrlimit(getattr(resource, name)) for name in names)


@dataclass(frozen=True, slots=True)
class Inherited:
    """The environment and the number of threads that the user's own code would have."""

    environment: Mapping[str, str]
    threads: int

    def restore(self) -> None:
        """Undo in a child what this process set for confined jobs; what it prints is shown."""
        import torch

        os.environ.clear()
        os.environ.update(self.environment)
        torch.set_num_threads(self.threads)
        if self.environment.get("PYTORCH_JIT", "1") != "0":
            torch.jit._state.enable()
        os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)


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
            end_strangers(())

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
            imported(TRACE.warm_up)()
            self.late = False
        while self.open and self.waiting and len(self.running) < self.jobs:
            self._fork(*self.waiting.popleft())

    def _patience(self) -> float | None:
        pending = [run.deadline for run in self.running.values() if not run.overdue]
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
        end_strangers(self.running)
        self.late |= os.path.exists(os.path.join(run.folder, LATE))
        killed = "timeout" if run.overdue else ""
        os.write(self.sink, line(Ended(run.number, run.folder, status, killed)))
