"""A confined child of the worker that imported what several files share, and is forked for each.

It runs nothing but imports of installed packages. What does not end well in one of its forks is
done again in a fork of the worker, so that no file is blamed for what others import.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bnlint.isolation import sandbox
from bnlint.isolation.child import confine, lead_session
from bnlint.isolation.descendants import end_group
from bnlint.isolation.folders import HeldFolder
from bnlint.isolation.jobs import Ended, JobKind, Limits, Ready, ask, line, parsed

if TYPE_CHECKING:
    from bnlint.loading.sharing.header import Header

_SITES = ("site-packages", "dist-packages")

Serve = Callable[[int, int, HeldFolder], None]
"""Answers requests from one pipe into another, with a folder for the answers."""


@dataclass(slots=True)
class Nursery:
    """The process seen from the worker; ``lent`` are the requests that it has.

    ``tops`` are the top-level modules that it imported, None as long as it does so. ``stamps`` tell
    whether something was installed since.
    """

    statements: tuple[str, ...]
    pid: int
    requests: int
    answers: int
    held: HeldFolder
    deadline: float
    stamps: tuple[int, ...]
    tops: tuple[str, ...] | None = None
    lent: dict[int, tuple[JobKind, Any]] = field(default_factory=dict)
    rest: bytes = b""

    @classmethod
    def start(
        cls,
        statements: tuple[str, ...],
        held: HeldFolder,
        limits: Limits,
        serve: Serve,
        closing: Iterable[int],
    ) -> Nursery:
        """A new one, whose answers are in ``held``; in it, ``closing`` are closed."""
        installed = stamps()
        source, requests = os.pipe()
        answers, sink = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                for number in (requests, answers, *closing):
                    os.close(number)
                _work(statements, source, sink, held, limits, serve)
            finally:
                os._exit(1)
        os.close(source)
        os.close(sink)
        deadline = time.monotonic() + limits.seconds
        return cls(statements, pid, requests, answers, held, deadline, installed)

    def fits(self, header: Header) -> bool:
        """True if a file begins with all that was imported, and finds nothing of it elsewhere."""
        if self.tops is None or not set(self.statements) <= set(header.statements):
            return False
        return not header.finds_elsewhere(self.tops) and self.stamps == stamps()

    def lend(self, number: int, kind: JobKind, request: Any) -> None:
        """Hand over a request."""
        self.lent[number] = kind, request
        with contextlib.suppress(OSError):  # reading its answers tells that it is gone
            os.write(self.requests, ask(number, request))

    def read(self) -> list[Ended] | None:
        """How requests ended since; None if it is gone."""
        text = os.read(self.answers, 1 << 16)
        *lines, self.rest = (self.rest + text).split(b"\n")
        try:
            if self.tops is None and lines:
                self.tops = parsed(Ready, lines.pop(0)).tops
            return [parsed(Ended, each) for each in lines] if text else None
        except (ValueError, TypeError, LookupError):  # an import wrote to the pipe
            return None

    def ends(self) -> tuple[int, int]:
        """The descriptors of both pipes."""
        return self.requests, self.answers

    def is_overdue(self) -> bool:
        """True if its imports take longer than one file may."""
        return self.tops is None and time.monotonic() >= self.deadline

    def end(self) -> None:
        """End the process; its folder stays for the worker to remove."""
        for number in self.ends():
            os.close(number)
        end_group(self.pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self.held.close()


def stamps() -> tuple[int, ...]:
    """When something was last put into the folders of installed packages, or taken out."""
    sites = (folder for folder in sys.path if folder.endswith(_SITES))
    return tuple(os.stat(folder).st_mtime_ns for folder in sites if os.path.isdir(folder))


def _work(
    statements: tuple[str, ...],
    source: int,
    sink: int,
    held: HeldFolder,
    limits: Limits,
    serve: Serve,
) -> None:
    """Import under the limits of a file, then serve."""
    from bnlint.loading.sharing.preparation import share

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    lead_session()
    confine(held.path, limits)
    sandbox.enter(limits.sandbox, held.path)
    tops = share(statements)
    faulthandler.cancel_dump_traceback_later()
    gc.collect()
    gc.freeze()
    os.write(sink, line(Ready(tops)))
    serve(source, sink, held)
    os._exit(0)
