"""The kinds of jobs, and how host and worker communicate: another kind is one more entry here.

The host only names what the child imports, so it never loads torch. Messages are lines of JSON, and
each job has a folder for its answer. The user's code runs in the same process as the job, so no
part of an answer goes through a file descriptor that it could close or print to: records are
appended to a file by its name, and the worker process only reports how the child ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from bnlint.domain.codec import decode, encode
from bnlint.domain.finding import Problem
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import (
    Closing,
    ProofRequest,
    ProofResult,
    TraceRequest,
    TrialRequest,
    TrialResult,
)
from bnlint.isolation.folders import read_file
from bnlint.probing.given.probe_options import ProbeAnswer, ProbeRequest

if TYPE_CHECKING:
    from bnlint.config import Settings

T = TypeVar("T")

Work = Callable[[Any], Iterable[Any]]
"""Answers a request record by record, so that a crash loses only what was not yet known."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """What a child does with one type of request, and what it may use for that.

    ``target`` is the function to call, as ``module:function``; ``records`` are the types of its
    records, the only ones that the host reads. ``warm_up`` is a function that imports what only
    long runs should wait for. A ``confined`` job has one thread, no accelerator, no network, no
    terminal, and a working folder of its own; any other runs in the user's folder and environment,
    without limits, and prints to standard error. ``writes`` are the folders of a request
    in which a sandboxed job may write besides its own.
    """

    name: str
    request: type[Any]
    records: tuple[type[Any], ...]
    target: str
    warm_up: str = ""
    confined: bool = True
    writes: Callable[[Any], tuple[str, ...]] = lambda _: ()

    def load(self) -> Work:
        """The function that does the work; imports torch."""
        work: Work = imported(self.target)
        return work


_SHARED_MEMORY = "/dev/shm"
"""Where the processes that load data for a probe meet."""

TRACE = JobKind(
    "trace",
    TraceRequest,
    (ModelGraph, Problem, Closing),
    "bnlint.tracing.file:trace_records",
    warm_up="bnlint.tracing.file:warm_up",
)
TRIAL = JobKind(
    "trial",
    TrialRequest,
    (TrialResult, Problem, Closing),
    "bnlint.tracing.trial:trial_records",
    writes=lambda request: (os.path.dirname(request.trial.store),),
)
PROOF = JobKind(
    "proof",
    ProofRequest,
    (ProofResult, Problem, Closing),
    "bnlint.comparing.running.proof_job:proof_records",
    writes=lambda request: (os.path.dirname(request.store),),
)
PROBE = JobKind(
    "probe",
    ProbeRequest,
    (ProbeAnswer, Problem),
    "bnlint.probing.job:probe_records",
    confined=False,
    writes=lambda _: tuple(filter(os.path.isdir, (_SHARED_MEMORY,))),
)

KINDS: Mapping[str, JobKind] = {kind.name: kind for kind in (TRACE, TRIAL, PROOF, PROBE)}
"""Every kind by its name, which is what crosses the pipe."""


def kind_of(request: Any) -> JobKind:
    """The kind of job that answers a request."""
    return next(kind for kind in KINDS.values() if kind.request is type(request))


def imported(target: str) -> Any:
    """What ``module:name`` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


ANSWER, OUTPUT, FAULTS, SCRATCH = "answer", "output", "faults", "scratch"
"""Names in the folder of a job: its records, what the code printed, the line where it hung or
crashed, and its working folder."""
LATE = "late"
"""The name of the file that exists once a child had to load what torch imports late."""
IMPORTED = "imported"
"""The name of the file that says what the imports of a child cost."""

NO_LIMIT = 1e6
"""Seconds; system calls that wait do not take infinity."""

_MOST_MEMORY = 1 << 60


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may take: seconds of wall clock, and bytes beyond what torch itself maps.

    0 means no limit. ``sandbox`` is one of ``sandbox.CHOICES``.
    """

    timeout: float = 60.0
    max_memory: int = 4 << 30
    sandbox: str = "off"

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that the settings ask for."""
        return cls(settings.timeout, settings.max_memory, settings.sandbox)

    @property
    def seconds(self) -> float:
        """The time to wait: more than a week if there is no limit."""
        return min(self.timeout or NO_LIMIT, NO_LIMIT)

    @property
    def memory(self) -> int:
        """The bytes that may be mapped, as far as the system can count; 0 is no limit."""
        return min(self.max_memory, _MOST_MEMORY)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker process is started with: one folder for one job, or many jobs side by side."""

    limits: Limits
    jobs: int = 1
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first line of a worker: the folder of its answers, or why torch cannot be imported."""

    folder: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """The first line of a process that imported for several files: the new top-level modules."""

    tops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How the child of one request ended; ``status`` is negative for a signal.

    ``killed`` is why the worker ended it (``timeout``), or empty.
    """

    number: int
    folder: str
    status: int
    killed: str = ""


def line(message: Any) -> bytes:
    """A dataclass as one line of JSON."""
    return _json(encode(message))


def parsed(kind: type[T], text: bytes | str) -> T:
    """The dataclass of such a line."""
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

    Raises
    ------
    ValueError
        A line is no record of such a job: user code wrote it, or replaced what writes records.

    """
    types = {each.__name__: each for each in kind.records}
    for text in (read_file(os.path.join(folder, ANSWER)) or b"").split(b"\n")[:-1]:
        try:
            name, data = json.loads(text)
            yield decode(types[name], data)
        except (TypeError, LookupError, RecursionError) as error:
            raise ValueError(f"no record: {error}") from error


_encode = json.JSONEncoder(separators=(",", ":")).encode  # user code may replace json.dumps


def _json(data: Any) -> bytes:
    return _encode(data).encode() + b"\n"
