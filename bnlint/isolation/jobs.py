"""The kinds of jobs that children do; another kind is one more entry here.

The host only names what the child imports, so it never loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bnlint.domain.finding import Problem
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import Closing, TraceRequest, TrialRequest, TrialResult
from bnlint.probing.given.probe_options import ProbeAnswer, ProbeRequest

Work = Callable[[Any], Iterable[Any]]
"""Answers a request record by record, so that a crash loses only what was not yet known."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """What a child does with one type of request, and what it may use for that.

    ``target`` is the function to call, as ``module:function``; ``records`` are the types of its
    records, the only ones that the host reads. ``warm_up`` is a function that imports what only
    long runs should wait for. A ``confined`` job has one thread, no accelerator, no network, no
    terminal, and a working folder of its own; any other runs in the user's folder and environment,
    in a process of its own, and prints to standard error.
    """

    name: str
    request: type[Any]
    records: tuple[type[Any], ...]
    target: str
    warm_up: str = ""
    confined: bool = True

    def load(self) -> Work:
        """The function that does the work; imports torch."""
        work: Work = imported(self.target)
        return work


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
)
PROBE = JobKind(
    "probe",
    ProbeRequest,
    (ProbeAnswer, Problem),
    "bnlint.probing.job:probe_records",
    confined=False,
)

KINDS: Mapping[str, JobKind] = {kind.name: kind for kind in (TRACE, TRIAL, PROBE)}
"""Every kind by its name, which is what crosses the pipe."""


def kind_of(request: Any) -> JobKind:
    """The kind of job that answers a request."""
    return next(kind for kind in KINDS.values() if kind.request is type(request))


def imported(target: str) -> Any:
    """What ``module:name`` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
