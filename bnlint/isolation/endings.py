"""How a child ended, read from its folder: its records, and the reason if it did not finish."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

from bnlint.domain.errors import mentions_memory
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.phrases import shortened
from bnlint.domain.request import Closing, FileRequest, Record, TraceOutcome, collect
from bnlint.isolation.folders import read_file
from bnlint.isolation.jobs import FAULTS, OUTPUT, Ended, Limits, kind_of, records

_FRAME = re.compile(r'File "(?P<path>.+)", line (?P<line>\d+)')
_LINES, _WIDTH = 5, 160
"""Of the output of a file that did not finish."""


class ChildLost(Exception):
    """A child ended before it had an answer; the message continues "the process ..."."""


def answer(request: Any, ended: Ended) -> Any:
    """The last record for a request: its result, or the Problem that prevented one.

    Raises
    ------
    ChildLost
        When the child ended without either.

    """
    try:
        found = list(records(ended.folder, kind_of(request)))
    except ValueError as error:
        raise ChildLost("left an answer that bnlint did not write") from error
    if found:
        return found[-1]
    if ended.status < 0:
        raise ChildLost(f"was ended by {_signal(-ended.status)}")
    raise ChildLost(f"ended with code {ended.status} before it had an answer")


def outcome(request: FileRequest, ended: Ended, limits: Limits) -> TraceOutcome:
    """The outcome of a file from the child's records, with the reason if the last is missing."""
    found: list[Record] = []
    try:
        found.extend(records(ended.folder, kind_of(request)))  # those before a broken one are kept
    except ValueError:
        found.append(_broken(request))
        return collect(request.name, found)
    finished = bool(found) and isinstance(found[-1], Closing)
    if not finished and not any(isinstance(r, Problem) and r.blocking for r in found):
        found.append(_unfinished(request, ended, limits, found))
    return collect(request.name, found)


def died(request: FileRequest) -> TraceOutcome:
    """The outcome of a file that took the whole worker with it."""
    said = "the worker process died while this file was checked"
    hint = "the file's code may end other processes; run it by itself to see"
    problem = Problem(ProblemKind.CRASH, request.name, said, hint, blocking=True)
    return TraceOutcome(request.name, problems=(problem,))


def _broken(request: FileRequest) -> Problem:
    said = "its answer is damaged: the file's code wrote to files of bnlint or replaced its tools"
    hint = "keep such work under `if __name__ == '__main__'`"
    return Problem(ProblemKind.CRASH, request.name, said, hint, blocking=True)


def _unfinished(request: FileRequest, ended: Ended, limits: Limits, found: list[Record]) -> Problem:
    output = _tail(ended.folder, OUTPUT)
    kind, message, hint = _reason(request.name, ended, limits, output)
    said = _last_lines(output)
    return Problem(
        kind,
        request.name,
        message,
        hint="\n".join(filter(None, (hint, said and f"its last output:\n{said}"))),
        line=_line(ended.folder, request.name),
        blocking=all(isinstance(record, Problem) for record in found),
    )


def _last_lines(output: str) -> str:
    """The last lines of an output as a terminal would show them: of a progress bar, its end."""
    lines = (line.rstrip().rpartition("\r")[2] for line in output.strip().splitlines())
    return "\n".join(shortened(line, _WIDTH) for line in list(lines)[-_LINES:])


def _reason(path: str, ended: Ended, limits: Limits, output: str) -> tuple[ProblemKind, str, str]:
    if ended.killed == "timeout" or _ended_by_note(ended):
        said = f"not finished after {limits.timeout:g} s"
        hint = "raise the limit with --timeout, move the work under `if __name__ == '__main__'`, or"
        hint += f' leave the file out: exclude = ["{os.path.basename(path)}"]'
        return ProblemKind.TIMEOUT, said, hint
    if mentions_memory(output):
        return _memory(limits)
    if ended.status == -signal.SIGKILL:
        kind, _, hint = _memory(limits)
        return kind, "killed by the system, most likely for want of memory", hint
    if ended.status < 0:
        said = f"the file's code crashed the process ({_signal(-ended.status)})"
        return ProblemKind.CRASH, said, ""
    said = f"the file's code ended the process with status {ended.status}"
    return ProblemKind.EXIT, said, "keep exits under `if __name__ == '__main__'`"


def _ended_by_note(ended: Ended) -> bool:
    """True if the process ended while the line was noted where it is when its time is nearly up.

    The stack of a thread that goes on is read for that, which may crash.
    """
    return ended.status == -signal.SIGSEGV and "Timeout (" in _tail(ended.folder, FAULTS, 1 << 16)


def _memory(limits: Limits) -> tuple[ProblemKind, str, str]:
    said = f"needs more memory than the limit of {limits.max_memory / (1 << 30):.3g} GiB"
    return ProblemKind.MEMORY, said, "raise the limit with --max-memory"


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


def _tail(folder: str, name: str, size: int = 1 << 13) -> str:
    return (read_file(os.path.join(folder, name), size) or b"").decode(errors="replace")
