"""One model built, traced and linted in a process of its own, with its time and peak memory."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.config import Settings
from bnlint.domain.graph import ModelGraph
from bnlint.domain.rule import Rule
from bnlint.engine.check import check_graph
from bnlint.models.building import build
from bnlint.models.guessing.guess import Guess, Guesses, Origin
from bnlint.tracing.model import trace_model

from .families import Entry

TIMEOUT = 60.0


@dataclass(slots=True)
class Row:
    """What was measured of one model; ``failure`` says why it is missing."""

    family: str
    name: str
    failure: str = ""
    tracer: str = ""
    complete: bool = False
    opaque: list[str] = field(default_factory=list)
    norms: int = 0
    uncalled: int = 0
    known: int = 0
    ops: int = 0
    findings: list[tuple[str, str, str, str]] = field(default_factory=list)
    undecided: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    megabytes: float = 0.0


def measure_all(
    family: str, entries: Iterable[Entry], rules: tuple[Rule, ...], jobs: int, weights: int = 0
) -> Iterator[Row]:
    """A row for each entry, ``jobs`` processes at a time, in the order they finish.

    Models of up to ``weights`` parameters are built with their initial values.
    """
    waiting = iter(entries)
    running: dict[int, tuple[str, int, float]] = {}
    while True:
        while len(running) < jobs and (entry := next(waiting, None)) is not None:
            reader, pid = _fork(family, entry, rules, weights)
            running[reader] = (entry.name, pid, time.monotonic() + TIMEOUT)
        if not running:
            return
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for reader in list(running):
            name, pid, deadline = running[reader]
            late = time.monotonic() > deadline
            if reader in ready or late:
                del running[reader]
                yield _collect(family, name, reader, pid, late)


def _fork(family: str, entry: Entry, rules: tuple[Rule, ...], weights: int) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        row = _measure(family, entry, rules, weights)
        with os.fdopen(writer, "w") as pipe:
            json.dump(asdict(row), pipe)
        os._exit(0)
    os.close(writer)
    return reader, pid


def _collect(family: str, name: str, reader: int, pid: int, late: bool) -> Row:
    if late:
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if late or not text:
        return Row(
            family, name, failure=f"not finished in {TIMEOUT:g} s" if late else f"died: {status}"
        )
    data: dict[str, Any] = json.loads(text)
    return Row(**data)


def _measure(family: str, entry: Entry, rules: tuple[Rule, ...], weights: int) -> Row:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    row = Row(family, entry.name)
    try:
        model = build(entry.build, weights) if weights else _build(entry)
    except Exception as error:
        row.failure = f"cannot be built: {type(error).__name__}: {str(error).splitlines()[:1]}"
        return row
    started = time.perf_counter()
    try:
        given = entry.inputs(model)
        if given is not None and not isinstance(given, Guesses):
            given = Guesses((Guess(*given, origin=Origin(entry.source)),))
        graph = trace_model(model, inputs=given)
        checked = check_graph(graph, rules, Settings().for_rules())
    except Exception as error:
        row.failure = f"CRASH: {type(error).__name__}: {str(error).splitlines()[:1]}"
        return row
    row.seconds = time.perf_counter() - started
    row.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row.tracer, row.complete = graph.trace.tracer, graph.trace.complete
    row.opaque = [f"{o.path}: {o.reason}" for o in graph.trace.opaque]
    row.ops = len(graph.ops)
    norms = [m for m in graph.modules if "batchnorm" in m.tags]
    row.uncalled = sum(m.calls == 0 for m in norms)
    row.norms = len(norms) - row.uncalled
    row.known = known_norms(graph)
    row.findings = [(f.rule, f.severity.value, f.layer, f.message) for f in checked.findings]
    row.undecided = {u.rule: u.count for u in checked.undecided}
    return row


def _build(entry: Entry) -> nn.Module:
    try:
        with torch.device("meta"):
            return entry.build()
    except Exception:  # reads numbers while it is built: the CPU must do
        return entry.build()


def known_norms(graph: ModelGraph) -> int:
    """How many batch norm layers have both neighbours known: no opaque op beside them."""
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        before[edge.target].append(edge.source)
        after[edge.source].append(edge.target)
    opaque = {op.id for op in graph.ops if "opaque" in op.tags}
    return len(
        {
            op.module
            for op in graph.ops
            if "batchnorm" in op.tags
            and before[op.id]
            and after[op.id]
            and not opaque & {*before[op.id], *after[op.id]}
        }
    )
