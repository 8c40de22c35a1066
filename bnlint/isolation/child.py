"""One file in one process: fence, trace, write the records, leave without ceremony."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterable

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.request import Record, TraceRequest
from bnlint.isolation import guards
from bnlint.isolation.protocol import ANSWER, LATE, Limits, dump

Tracer = Callable[[TraceRequest], Iterable[Record]]

# The user's code may replace any of these in the modules they come from.
_open, _write, _close, _exit, _makedirs, _join = (
    os.open,
    os.write,
    os.close,
    os._exit,
    os.makedirs,
    os.path.join,
)
_modules = sys.modules
_SELDOM = 200_000
"""New objects between two collections: the child does not live long enough for more."""

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def run(folder: str, request: TraceRequest, limits: Limits, tracer: Tracer) -> None:
    """Trace one file and never return: no ``atexit``, no waiting for the user's threads."""
    status, own = 1, os.getpid()
    try:
        gc.set_threshold(_SELDOM)
        guards.fence(folder, limits)
        late = _late()
        for record in tracer(request):
            if os.getpid() != own:  # the user's code forked, and this is its copy of us
                break
            _append(folder, dump(record))
        if _late() and not late:
            _append(folder, b"", LATE)
        status = 0
    except BaseException:  # our own bug, or code that raises from odd places: say it, end
        guards.lift_memory_limit()
        _append(folder, dump(_internal(request, traceback.format_exc())))
    finally:
        _exit(status)


def _late() -> bool:
    """True once torch's compiler is loaded, which takes it most of a second."""
    return "torch._dynamo" in _modules


def _append(folder: str, text: bytes, name: str = ANSWER) -> None:
    """Add to a file by its name: descriptors may have been closed, folders removed."""
    _makedirs(folder, exist_ok=True)
    number = _open(_join(folder, name), _FLAGS, 0o600)
    view = memoryview(text)
    while view:
        view = view[_write(number, view) :]
    _close(number)


def _internal(request: TraceRequest, trace: str) -> Problem:
    last = trace.strip().rsplit("\n", 1)[-1]
    return Problem(
        ProblemKind.CRASH,
        request.path or request.module,
        f"the check itself failed: {last}",
        hint=trace[-2000:],
        blocking=True,
    )
