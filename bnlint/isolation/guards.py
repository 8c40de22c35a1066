"""Fences around the user's code in a child process: descriptors, folder, limits, last words."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
from typing import NoReturn

from bnlint.isolation.protocol import FAULTS, OUTPUT, SCRATCH, Limits

try:
    import resource
except ImportError:  # no such limits on Windows
    resource = None  # type: ignore[assignment]

ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "MPLBACKEND": "Agg",
    "WANDB_MODE": "disabled",
}
"""Set before torch or the user's file is imported."""

_OUTPUT_LIMIT = 256 << 20
_FAULT_MARGIN = 0.95
_PR_SET_PDEATHSIG = 1


def fence(folder: str, limits: Limits) -> None:
    """Give this process its own session, output file, working folder and limits."""
    _leave_terminal()
    _redirect(folder)
    scratch = os.path.join(folder, SCRATCH)
    os.makedirs(scratch, exist_ok=True)
    os.chdir(scratch)
    _limit(limits)
    _note_faults(folder, limits)


def lift_memory_limit() -> None:
    """Let the answer be written even where the user's code used all it may."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _leave_terminal() -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.setsid()
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _redirect(folder: str) -> None:
    output = os.open(os.path.join(folder, OUTPUT), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(output)
    os.close(null)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = open(number, mode, buffering=1, errors="replace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _limit(limits: Limits) -> None:
    if resource is None:
        return
    wanted = [(resource.RLIMIT_FSIZE, _OUTPUT_LIMIT), (resource.RLIMIT_CORE, 0)]
    if limits.max_memory:
        wanted.append((resource.RLIMIT_AS, mapped_memory() + limits.max_memory))
    for what, value in wanted:
        hard = resource.getrlimit(what)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (soft, hard))


def mapped_memory() -> int:
    """Bytes of address space this process has mapped; 0 where that cannot be told."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _note_faults(folder: str, limits: Limits) -> None:
    """Have the line noted at which the code crashes, or is when its time is nearly up."""
    number = os.open(os.path.join(folder, FAULTS), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    faulthandler.enable(number, all_threads=False)
    faulthandler.dump_traceback_later(limits.seconds * _FAULT_MARGIN, file=number)
    leave, own = os._exit, os.getpid()

    def noting(status: int) -> NoReturn:
        if os.getpid() == own:
            faulthandler.dump_traceback(number, all_threads=False)
        leave(status)

    os._exit = noting
