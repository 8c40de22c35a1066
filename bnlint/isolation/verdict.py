"""How a child ended, read as an outcome: its records, and a Problem where it did not finish."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.request import Closing, Record, TraceOutcome, TraceRequest, collect
from bnlint.isolation.protocol import FAULTS, OUTPUT, Ended, Limits, records

_FRAME = re.compile(r'File "(?P<path>.+)", line (?P<line>\d+)')
_MEMORY = ("MemoryError", "std::bad_alloc", "can't allocate memory", "Cannot allocate memory")
_TAIL = 600


def outcome(request: TraceRequest, ended: Ended, limits: Limits) -> TraceOutcome:
    """What the child left, and the reason where its last record is missing."""
    found = list(records(ended.folder))
    if not (found and isinstance(found[-1], Closing)):
        found += _unfinished(request, ended, limits, found)
    return collect(request.path or request.module, found)


def died(request: TraceRequest) -> TraceOutcome:
    """The outcome of a file that took the whole worker with it."""
    name = request.path or request.module
    problem = Problem(
        ProblemKind.CRASH,
        name,
        "the worker process died while this file was checked",
        hint="the file's code may end other processes; run it by itself to see",
        blocking=True,
    )
    return TraceOutcome(name, problems=(problem,))


def _unfinished(
    request: TraceRequest, ended: Ended, limits: Limits, found: list[Record]
) -> Iterator[Problem]:
    if any(isinstance(r, Problem) and r.blocking for r in found):
        return
    output = _tail(ended.folder, OUTPUT)
    kind, message, hint = _reason(ended, limits, output)
    path = request.path or request.module
    yield Problem(
        kind,
        path,
        message,
        hint=_with_output(hint, output),
        line=_line(ended.folder, path),
        blocking=not any(not isinstance(r, Problem) for r in found),
    )


def _reason(ended: Ended, limits: Limits, output: str) -> tuple[ProblemKind, str, str]:
    if ended.killed == "timeout":
        return (
            ProblemKind.TIMEOUT,
            f"not finished after {limits.timeout:g} s",
            "give it more with --timeout, or move the work under `if __name__ == '__main__'`",
        )
    if any(mark in output for mark in _MEMORY):
        return _memory(limits)
    if ended.status == -signal.SIGKILL:
        kind, _, hint = _memory(limits)
        return kind, "killed by the system, most likely for want of memory", hint
    if ended.status < 0:
        return (
            ProblemKind.CRASH,
            f"the file's code crashed the process ({_signal(-ended.status)})",
            "",
        )
    return (
        ProblemKind.EXIT,
        f"the file's code ended the process with status {ended.status}",
        "keep exits under `if __name__ == '__main__'`",
    )


def _memory(limits: Limits) -> tuple[ProblemKind, str, str]:
    return (
        ProblemKind.MEMORY,
        f"needs more memory than the limit of {limits.max_memory / (1 << 30):.3g} GiB",
        "give it more with --max-memory",
    )


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _line(folder: str, path: str) -> int:
    """The innermost line of the file itself in the noted stack, 0 when there is none."""
    for found in _FRAME.finditer(_tail(folder, FAULTS, size=1 << 16)):
        if found["path"] == path:
            return int(found["line"])
    return 0


def _with_output(hint: str, output: str) -> str:
    text = output.strip()[-_TAIL:]
    return "\n".join(part for part in (hint, text and f"its last output:\n{text}") if part)


def _tail(folder: str, name: str, size: int = 1 << 13) -> str:
    try:
        with open(os.path.join(folder, name), "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - size))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""
