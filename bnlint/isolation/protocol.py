"""How host and worker communicate: in lines of JSON, with a folder for the answer of each job.

The user's code runs in the same process as the job, so no part of an answer goes through a file
descriptor that it could close or print to: records are appended to a file by its name, and the
worker process only reports how the child ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from bnlint.domain.codec import decode, encode
from bnlint.isolation.jobs import KINDS, JobKind, kind_of

T = TypeVar("T")

ANSWER, OUTPUT, FAULTS, SCRATCH = "answer", "output", "faults", "scratch"
"""Names in the folder of a job: its records, what the code printed, the line where it hung or
crashed, and its working folder."""
LATE = "late"
"""The name of the file that exists once a child had to load what torch imports late."""

_NO_LIMIT = 1e6
"""Seconds; system calls that wait do not take infinity."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may take: seconds of wall clock, and bytes beyond what torch itself maps.

    0 means no limit.
    """

    timeout: float = 60.0
    max_memory: int = 4 << 30

    @property
    def seconds(self) -> float:
        """The time to wait: more than a week if there is no limit."""
        return self.timeout or _NO_LIMIT


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker process is started with: one folder for one job, or many jobs side by side."""

    limits: Limits
    jobs: int = 1
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first line of a worker: torch's version, or why it cannot be imported."""

    torch: str = ""
    error: str = ""
    folder: str = ""


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


def line(message: Any) -> bytes:
    """A dataclass as one line of JSON."""
    return _json(encode(message))


def parsed(kind: type[T], text: bytes | str) -> T:
    """The dataclass of a line made by :func:`line`."""
    return decode(kind, json.loads(text))


def ask(number: int, request: Any) -> bytes:
    """A numbered request of any kind as one line."""
    return _json([number, kind_of(request).name, encode(request)])


def asked(text: bytes) -> tuple[int, JobKind, Any]:
    """The number, the kind and the request of a line made by :func:`ask`."""
    number, name, data = json.loads(text)
    kind = KINDS[name]
    return number, kind, decode(kind.request, data)


def dump(record: Any) -> bytes:
    """One record of an answer as one line."""
    return _json([type(record).__name__, encode(record)])


def records(folder: str, kind: JobKind) -> Iterator[Any]:
    """The records in the answer of one job, without a line that a crash cut off.

    Raises KeyError for a type of record that the job does not have.
    """
    types = {each.__name__: each for each in kind.records}
    try:
        with open(os.path.join(folder, ANSWER), "rb") as stream:
            lines = stream.read().split(b"\n")[:-1]
    except OSError:
        return
    for text in lines:
        name, data = json.loads(text)
        yield decode(types[name], data)


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"
