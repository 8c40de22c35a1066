"""One job in one process: confine it, do the work, write the records, exit at once."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import sys
import traceback
from typing import Any, NoReturn

from bnlint.domain.errors import PLEASE_REPORT, in_words, internal_error
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.isolation import sandbox
from bnlint.isolation.descendants import die_with_parent
from bnlint.isolation.jobs import (
    ANSWER,
    FAULTS,
    IMPORTED,
    LATE,
    OUTPUT,
    SCRATCH,
    JobKind,
    Limits,
    Work,
    dump,
)

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
    "PYTORCH_JIT": "0",  # scripted code stays Python, which can be traced
    "WANDB_MODE": "disabled",
}
"""Set before torch or the user's file is imported."""

_COMPILER = "torch._dynamo"
"""Torch imports it late, which takes most of a second."""

_IMPORTS = "bnlint.loading.sharing.preparation"
"""Knows what the imports of this process cost."""

_DEAR = 0.05
"""Seconds of an import that the worker hears of."""

_OUTPUT_LIMIT = 256 << 20
_FAULT_MARGIN = 0.95

# The user's code may replace any of these in the modules they come from.
_open, _write, _close, _exit = os.open, os.write, os.close, os._exit
_makedirs, _join, _modules = os.makedirs, os.path.join, sys.modules
_encode = json.JSONEncoder().encode

_RARELY = 200_000
"""New objects between two garbage collections, of which a forked child has few in its short life.
"""

_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def run_job(kind: JobKind, request: Any, folder: str, limits: Limits) -> None:
    """Do one job and never return: no ``atexit``, no waiting for the user's threads."""
    status, own = 1, os.getpid()
    try:
        lead_session()
        if kind.confined:
            gc.set_threshold(_RARELY)
            confine(folder, limits)
        sandbox.enter(limits.sandbox, folder, *kind.writes(request))
        _answer(kind.load(), request, folder, own)
        status = 0
    except SystemExit as leaving:  # the user's code may end the process anywhere
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException as error:  # a bug of ours, or code that raises where nobody expects it
        _lift_memory_limit()
        _append(folder, dump(_internal(request, error)))
    finally:
        if not kind.confined:
            _flush_output()
        _exit(status)


def _answer(work: Work, request: Any, folder: str, own: int) -> None:
    late = _COMPILER in _modules
    for record in work(request):
        if os.getpid() != own:  # the user's code forked, and this is its copy of us
            return
        _append(folder, dump(record))
    if _COMPILER in _modules and not late:
        _append(folder, b"", LATE)
    with contextlib.suppress(Exception):  # the user's code may have changed anything
        costs = vars(_modules[_IMPORTS])["COSTS"]
        dear = {statement: cost for statement, cost in costs.items() if cost >= _DEAR}
        _append(folder, _encode(dear).encode(), IMPORTED)


def _append(folder: str, text: bytes, name: str = ANSWER) -> None:
    """Add to a file by its name: descriptors may have been closed, folders removed."""
    _makedirs(folder, exist_ok=True)
    number = _open(_join(folder, name), _APPENDING, 0o600)
    view = memoryview(text)
    while view:
        view = view[_write(number, view) :]
    _close(number)


def _internal(request: Any, error: BaseException) -> Problem:
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if os.path.abspath(request.name) in frames:  # it replaced tools that bnlint uses
        said = f"checking this file failed: {in_words(error)}"
        return Problem(ProblemKind.CRASH, request.name, said, blocking=True)
    said = internal_error(error, "checking this file")
    trace = "".join(traceback.format_exception(error))
    hint = f"{PLEASE_REPORT}:\n{trace[-2000:]}"
    return Problem(ProblemKind.CRASH, request.name, said, hint, blocking=True)


def lead_session() -> None:
    """Take this process and all it starts away from the terminal; it ends with its parent."""
    with contextlib.suppress(OSError, AttributeError):
        os.setsid()
    die_with_parent()


def confine(folder: str, limits: Limits) -> None:
    """Keep this process to its folder, its limits and no terminal."""
    _redirect(folder)
    scratch = os.path.join(folder, SCRATCH)
    os.makedirs(scratch, exist_ok=True)
    os.chdir(scratch)
    _limit(limits)
    _note_faults(folder, limits)


def _flush_output() -> None:
    """Write out what the user's code printed, which an exit at once would lose."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the user's code may have replaced them
            stream.flush()


def _lift_memory_limit() -> None:
    """Allow the answer to be written after the user's code used all the memory it may."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _redirect(folder: str) -> None:
    output = os.open(os.path.join(folder, OUTPUT), _APPENDING, 0o600)
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
    if limits.memory:
        wanted.append((resource.RLIMIT_AS, _mapped_memory() + limits.memory))
    for what, value in wanted:
        hard = resource.getrlimit(what)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (soft, hard))


def _mapped_memory() -> int:
    """Bytes of address space this process has mapped; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _note_faults(folder: str, limits: Limits) -> None:
    """Note the line where the code crashes, exits, or is when its time is nearly up."""
    number = os.open(os.path.join(folder, FAULTS), _APPENDING, 0o600)
    faulthandler.enable(number, all_threads=False)
    faulthandler.dump_traceback_later(limits.seconds * _FAULT_MARGIN, file=number)
    leave, own = os._exit, os.getpid()

    def noting(status: int) -> NoReturn:
        if os.getpid() == own:
            faulthandler.dump_traceback(number, all_threads=False)
        leave(status)

    os._exit = noting
