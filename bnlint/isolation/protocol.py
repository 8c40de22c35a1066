"""What host and worker say to each other: lines of JSON, and a folder for each file's answer.

The user's code runs in the same process as the tracer, so nothing of an answer goes through a file
descriptor that it could close or print to: records are appended to a file by its name, and the
worker process only tells how the child ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bnlint.domain.codec import decode, encode
from bnlint.domain.finding import Problem
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import (
    Closing,
    Record,
    TraceOutcome,
    TraceRequest,
    TrialResult,
    collect,
)

__all__ = ["TraceOutcome", "TraceRequest", "collect"]

ANSWER, OUTPUT, FAULTS, SCRATCH = "answer", "output", "faults", "scratch"
"""Names in the folder of one file: records, what the code printed, where it hung, its own place."""
LATE = "late"
"""The name that says that a child had to load what torch imports late."""

_KINDS: dict[str, type[Record]] = {
    "graph": ModelGraph,
    "problem": Problem,
    "trial": TrialResult,
    "end": Closing,
}
_TAGS = {kind: tag for tag, kind in _KINDS.items()}


_NO_LIMIT = 1e6
"""Seconds; a system call that waits cannot be told of infinity."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take: seconds of wall clock, and bytes beyond what torch itself maps.

    0 stands for no limit.
    """

    timeout: float = 60.0
    max_memory: int = 4 << 30

    @property
    def seconds(self) -> float:
        """The time to wait: that of a week and more where there is no limit."""
        return self.timeout or _NO_LIMIT


@dataclass(frozen=True, slots=True)
class Ended:
    """How the child of one request ended; ``status`` is negative for a signal.

    ``killed`` is why the worker ended it (``timeout``), or empty.
    """

    number: int
    folder: str
    status: int
    killed: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Hello:
    """The first line of a worker: torch's version, or why it cannot be imported."""

    torch: str = ""
    error: str = ""
    folder: str = ""


def line(message: Any) -> bytes:
    """A frozen dataclass as one line of JSON."""
    return json.dumps(encode(message), separators=(",", ":")).encode() + b"\n"


def ask(number: int, request: TraceRequest) -> bytes:
    """A numbered request as one line."""
    return json.dumps([number, encode(request)], separators=(",", ":")).encode() + b"\n"


def asked(text: bytes) -> tuple[int, TraceRequest]:
    """The number and the request of a line made by :func:`ask`."""
    number, data = json.loads(text)
    return number, decode(TraceRequest, data)


def dump(record: Record) -> bytes:
    """One record of an answer as one line."""
    tagged = [_TAGS[type(record)], encode(record)]
    return json.dumps(tagged, separators=(",", ":")).encode() + b"\n"


def records(folder: str) -> Iterator[Record]:
    """The records in the answer of one file; a line cut off by a crash is left out."""
    try:
        with open(os.path.join(folder, ANSWER), "rb") as stream:
            lines = stream.read().split(b"\n")[:-1]
    except OSError:
        return
    for text in lines:
        tag, data = json.loads(text)
        yield decode(_KINDS[tag], data)
