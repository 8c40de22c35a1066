"""Worker processes seen from the host, which never imports torch."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from bnlint.domain.errors import Mistake, UsageError
from bnlint.isolation import sandbox
from bnlint.isolation.folders import HeldFolder
from bnlint.isolation.jobs import Ended, Hello, Limits, Setup, ask, kind_of, line, parsed

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_START = (
    f"import sys; {_ROOT!r} in sys.path or sys.path.append({_ROOT!r});"
    "from bnlint.isolation.worker import main; main()"
)
_START_UP = 60.0
"""Seconds for the import of torch, which do not count against the limit on the job."""

_GRACE = 15.0
"""Seconds beyond the limit on a job in which the worker must say how it ended."""

_ORDERLY = 5.0
"""Seconds in which a worker ends its children and itself."""

_STANDARD_ERROR = 2


def _start(setup: Setup, **streams: Any) -> subprocess.Popen[bytes]:
    """A worker process in a session of its own, which imports what the host would import.

    ``-P`` keeps the current folder out of its path: a ``random.py`` there is not the library's.
    """
    if setup.limits.sandbox == "on" and (reason := sandbox.lacking()):
        hint = "--sandbox auto runs without one where there can be none"
        raise UsageError(Mistake(f"--sandbox on: {reason}", hint=hint))
    command = [sys.executable, "-P", "-c", _START, line(setup).decode()]
    return subprocess.Popen(command, start_new_session=True, **streams)


class Worker:
    """One warm worker process, which loads torch while the host continues.

    Jobs that are not confined ``print`` to the standard error of the host, if they may.
    """

    def __init__(self, jobs: int, limits: Limits, *, prints: bool = False) -> None:
        self._process = _start(
            Setup(limits, jobs),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if prints else subprocess.DEVNULL,
        )
        self._limits = limits
        self._held: HeldFolder | None = None
        self._rest = b""

    def send(self, number: int, request: Any) -> bool:
        """Send a request; False when the worker is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(ask(number, request))
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def receive(self, seconds: float | None = None) -> Ended | None:
        """How the next child ended; None if the worker is gone, or does not answer in time.

        That is the limit on a job, or this number of ``seconds``.
        """
        try:
            if self._held is None and not self._greet():
                return None
            text = self._read((seconds or self._limits.seconds) + _GRACE)
            return parsed(Ended, text) if text else None
        except ValueError:  # somebody else wrote to the pipe
            return None

    def drop(self, number: int) -> None:
        """Remove what the child of one request left."""
        if self._held is not None:
            self._held.drop(str(number))

    def close(self) -> None:
        """End the worker and everything it started."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # a dead worker left requests unread
                    stream.close()
        try:
            self._process.wait(timeout=_ORDERLY if self._held else 0)
        except subprocess.TimeoutExpired:  # it is stopped, or still loads torch
            self._process.kill()
            self._process.wait()
        if self._held is not None:
            self._held.remove()

    def _greet(self) -> bool:
        text = self._read(_START_UP)
        if not text:
            try:
                status = self._process.wait(timeout=1)
            except subprocess.TimeoutExpired:  # it does not run
                return False
            if status < 0:  # killed while torch loads: treated like any worker that is lost
                return False
            raise UsageError(_no_torch(f"the worker ended with status {status}"))
        hello = parsed(Hello, text)
        if hello.error:
            raise UsageError(_no_torch(hello.error))
        self._held = HeldFolder(hello.folder)
        return True

    def _read(self, seconds: float) -> bytes:
        """The next line of the worker; nothing if it ends or stays silent for so long."""
        assert self._process.stdout is not None
        number, until = self._process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._rest:
            ready, _, _ = select.select([number], [], [], max(0.0, until - time.monotonic()))
            more = os.read(number, 1 << 16) if ready else b""
            if not more:
                return b""
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\n")
        return text


def _no_torch(reason: str) -> Mistake:
    return Mistake(
        f"PyTorch cannot be imported by {sys.executable}: {reason}",
        hint="install torch into the environment bnlint runs in",
    )


@contextlib.contextmanager
def alone(request: Any, limits: Limits) -> Iterator[Ended]:
    """How a job ended that had a process to itself; its folder exists as long as the block.

    For jobs that are not confined, and for all jobs where the system cannot fork.
    """
    held = HeldFolder.new()
    try:
        yield _run(request, held.path, limits)
    finally:
        held.remove()


def _run(request: Any, folder: str, limits: Limits) -> Ended:
    """Start a process for one job and wait for it; kill whatever it started."""
    killed = ""
    # What the user's code prints must not end up in the host's output.
    output = subprocess.DEVNULL if kind_of(request).confined else _STANDARD_ERROR
    setup, stdin = Setup(limits, folder=folder), subprocess.PIPE
    process = _start(setup, stdin=stdin, stdout=output, stderr=output)
    try:
        process.communicate(ask(0, request), timeout=limits.seconds + _START_UP)
    except subprocess.TimeoutExpired:
        killed = "timeout"
    finally:
        _end(process)
    return Ended(0, folder, process.returncode, killed)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and, through its supervisor, all that the job started."""
    process.terminate()
    try:
        process.wait(timeout=_ORDERLY)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
