"""A process between the host and a job that runs alone: it ends all that the job started.

It lives as long as the job, adopts what left the job for a session of its own, and learns when the
host is gone, however that ended. It never runs the user's code.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

from bnlint.isolation.descendants import adopt_orphans, die_with_parent, end_group, end_strangers
from bnlint.isolation.folders import HeldFolder


class _Ended(BaseException):
    """The host has ended, or wants this process to end."""


def supervise(work: Callable[[], object], folder: str) -> None:
    """Do ``work``, which ends its process, in a child, and leave as the child did.

    ``folder`` is removed if there is no host left that would do it.
    """
    host, held = os.getppid(), HeldFolder(folder)
    adopt_orphans()
    signal.signal(signal.SIGTERM, _end)
    die_with_parent(signal.SIGTERM)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            work()
        finally:
            os._exit(1)
    status = -signal.SIGTERM
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except _Ended:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_group(pid)
        end_strangers(())
        if os.getppid() != host:
            held.remove()
    _leave(status)


def _end(_: int, __: object) -> NoReturn:
    raise _Ended


def _leave(status: int) -> NoReturn:
    """End as a child did, also by a signal."""
    if status < 0:
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(max(status, 1) if status < 0 else status)
