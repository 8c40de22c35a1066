"""The story of a run, from top to bottom: read this first.

Paths become source files; a worker imports, builds and traces what is not in the cache; the rules
are applied to each graph; findings are suppressed, ordered, grouped and compared. A live model
joins the story halfway: it is traced in this process, and nothing is imported or isolated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bnlint.cache import Store, torch_version
from bnlint.config import Settings
from bnlint.domain.finding import ProblemKind, Report
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import FileRequest, TraceOutcome
from bnlint.findings.comments import skips_file
from bnlint.graph.cost import cost_of
from bnlint.pipeline.conclude import Coverage, conclude, read_known
from bnlint.pipeline.notebooks import Notebooks
from bnlint.pipeline.rulebook import RuleSet, check_layers, live_rules, read_rules
from bnlint.pipeline.work import FileResult, Files, Work, examine
from bnlint.sources import FileSearch, Paths, Sources, collect
from bnlint.sources.expand import read_stdin

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from torch import nn

Progress = Callable[[int, int, str], None]
"""Called before each file is waited for: files done, files in all, the path of the file."""

Tracer = Callable[[Sequence[FileRequest]], Iterator[TraceOutcome]]
"""What traces files, such as the ``trace`` of a pool that is kept warm."""


class Means(NamedTuple):
    """How a run is done; none of this changes its report.

    Files are spread over the ``executor`` or traced by the ``tracer``, by default a pool that lives
    as long as the run. ``stdin`` replaces standard input where a path is ``-``.
    """

    progress: Progress | None = None
    executor: Executor | None = None
    tracer: Tracer | None = None
    stdin: Callable[[], bytes] | None = None


def check(
    settings: Settings, *, progress: Progress | None = None, executor: Executor | None = None
) -> Report:
    """The report about everything that ``settings.paths`` name; see :func:`check_whole`."""
    return check_whole(settings, Means(progress, executor))[0]


def check_whole(settings: Settings, means: Means | None = None) -> tuple[Report, Coverage]:
    """The report about everything that the paths name, and what the absence of findings means.

    Raises
    ------
    UsageError, ConfigError, RuleError
        When the arguments, the configuration or a rule file are wrong.

    """
    started, clock, means = time.time(), time.perf_counter(), means or Means()
    paths = Paths(Path.cwd(), Path(settings.root))
    store = Store(Path(settings.cache_dir) if settings.cache else None)
    known = read_known(settings, paths)
    sources = find_sources(settings, paths, means)
    rules = read_rules(settings, store)
    files = Files(settings, paths, store)
    work = files.plan(sources.files, rules.digest)
    with ExitStack() as stack:
        # torch loads from here on, beside what follows
        outcomes = trace(settings, work, stack, means)
        if not work or any(each.result is None for each in work):
            _ = rules.known  # says what is wrong in them
        results = list(_conclude(files, work, outcomes, rules, started, means.progress))
    store.trim()
    report, covered = conclude(settings, paths, sources, rules, results, known)
    durations = {"total": time.perf_counter() - clock}
    return replace(report, durations=durations), covered


def find_sources(settings: Settings, paths: Paths, means: Means | None = None) -> Sources:
    """The files that the paths name, without those that a comment excludes."""
    exclude, force = settings.exclude, settings.force_exclude
    stdin = (means and means.stdin) or read_stdin
    name, sift = settings.stdin_filename, settings.allow_unchecked
    search = FileSearch(paths.cwd, paths.root, exclude, force, name, stdin, sift)
    found = collect(settings.paths, search)
    out = tuple(file.path for file in found.files if skips_file(file.text))
    kept = tuple(file for file in found.files if file.path not in out)
    by_hand = found.by_hand
    if settings.allow_unchecked:
        # What does not exist is a mistake in the command, and still fails the run.
        missing = {p.file for p in found.problems if p.kind is ProblemKind.NOT_FOUND}
        by_hand = tuple(path for path in by_hand if path in missing)
    return Sources(kept, (*found.skipped, *out), found.problems, by_hand)


def trace(
    settings: Settings, work: Sequence[Work], stack: ExitStack, means: Means | None = None
) -> Iterator[TraceOutcome]:
    """The outcomes of the work that needs tracing, in its order; a worker starts if need be."""
    means, requests = means or Means(), [each.request for each in work if each.needs_tracing]
    if not requests:
        return iter(())
    if means.tracer:
        return means.tracer(requests)
    jobs = min(settings.jobs or os.cpu_count() or 1, len(requests))
    from bnlint.isolation.jobs import Limits

    limits = Limits.of(settings)
    if means.executor is not None:
        from bnlint.isolation.spread import trace_spread

        return trace_spread(means.executor, requests, jobs, limits)
    from bnlint.isolation.pool import Pool

    pool = stack.enter_context(Pool.within(limits, jobs))
    return pool.trace(requests)


def _conclude(
    files: Files,
    work: Sequence[Work],
    outcomes: Iterator[TraceOutcome],
    rules: RuleSet,
    started: float,
    progress: Progress | None,
) -> Iterator[FileResult]:
    for done, each in enumerate(work):
        if progress is not None:
            progress(done, len(work), each.source.path)
        outcome = next(outcomes) if each.needs_tracing else None
        yield files.conclude(each, outcome, rules, started)


def trace_live(
    model: nn.Module, inputs: Any, name: str, layers: tuple[tuple[str, str], ...] = ()
) -> ModelGraph:
    """The graph of a live model; raises UsageError for what is no model.

    ``inputs`` are the positional arguments of its forward, a mapping of keyword arguments, one
    argument, or None if there are none.
    """
    from bnlint.tracing.file import trace_given

    if isinstance(inputs, Mapping):
        return trace_given(model, (), inputs, name, layers)
    if inputs is not None:
        inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    return trace_given(model, inputs, {}, name, layers)


def check_live(model: nn.Module, inputs: Any, name: str, settings: Settings) -> Report:
    """The report about a live model."""
    paths = Paths(Path.cwd(), Path(settings.root))
    graph = trace_live(model, inputs, name, settings.layers)
    rules = live_rules(settings)
    outcome = TraceOutcome(graph.ref.file, (graph,), torch=torch_version())
    result = examine(outcome, rules, paths.rooted(graph.ref.file), settings.for_rules())
    return conclude(settings, paths, Sources(), rules, [replace(result, graphs=(graph,))])[0]


def show_graphs(settings: Settings) -> tuple[str, Report]:
    """Every model of the paths as a chain of classified operations, and what was not traced."""
    from bnlint.report.formats.text import drawn

    check_layers(settings)
    paths = Paths(Path.cwd(), Path(settings.root))
    sources = find_sources(settings, paths)
    files = Files(settings, paths, Store(None))
    work = files.plan(sources.files, "")
    with ExitStack() as stack:
        outcomes = list(trace(settings, work, stack))
    problems = [*sources.problems, *(paths.problem(p) for o in outcomes for p in o.problems)]
    problems = [*map(Notebooks.among(sources.files, paths).problem, problems)]
    pages = [drawn(graph, cost_of(graph)) for outcome in outcomes for graph in outcome.graphs]
    return "\n\n".join(pages), Report(problems=tuple(problems), by_hand=sources.by_hand)
