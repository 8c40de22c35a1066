"""Processes that user code started: nothing of them is left when its job has ended.

Killing a group reaches what stayed in it. What left it for a session of its own is adopted by the
worker once its parent has died (Linux), and ended then.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Container, Iterator

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_GENERATIONS = 20
"""How often children that appear when their parents are killed are killed in turn."""


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Send this process a signal when its parent ends (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Make descendants whose parents have died children of this process (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_group(pid: int) -> None:
    """Kill a child and its group; it may not lead a group of its own yet."""
    for end, what in ((os.killpg, pid), (os.kill, pid)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(what, signal.SIGKILL)


def end_strangers(known: Container[int]) -> None:
    """Kill all children that are not ``known``, and the children that they leave in turn."""
    for _ in range(_GENERATIONS):
        strangers = [pid for pid in _children() if pid not in known]
        if not strangers:
            return
        for pid in strangers:
            end_group(pid)
        for pid in strangers:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> Iterator[int]:
    """The children of this process; none where the system does not list them."""
    with contextlib.suppress(OSError):
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as stream:
                yield from map(int, stream.read().split())


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value)
