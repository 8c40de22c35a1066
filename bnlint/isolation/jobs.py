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
    records, the only ones that the host reads. ``warm_up`` loads what only long runs should wait
    for. A job that is ``forked`` starts from a process that has torch loaded, which CUDA does not
    survive. One that is ``confined`` has one thread, no accelerator, no network, no terminal, and
    a working folder of its own; otherwise it runs where the user is and prints to standard error.
    """

    name: str
    request: type[Any]
    records: tuple[type[Any], ...]
    target: str
    warm_up: str = ""
    forked: bool = True
    confined: bool = True

    def load(self) -> Work:
        """The function that does the work; imports torch."""
        work: Work = _imported(self.target)
        return work

    def load_rest(self) -> None:
        """Load what torch imports late."""
        if self.warm_up:
            _imported(self.warm_up)()

    def record_type(self, name: str) -> type[Any]:
        """The type of records with this name; raises KeyError for any other."""
        return {kind.__name__: kind for kind in self.records}[name]


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
    forked=False,
    confined=False,
)

KINDS: Mapping[str, JobKind] = {kind.name: kind for kind in (TRACE, TRIAL, PROBE)}
"""Every kind by its name, which is what crosses the pipe."""


def kind_of(request: Any) -> JobKind:
    """The kind of job that answers a request."""
    return next(kind for kind in KINDS.values() if kind.request is type(request))


def _imported(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
