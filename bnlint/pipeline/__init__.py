"""THE story of a run, top to bottom: read this first.

Paths become source files; a worker imports, builds and traces what the cache does not know; the
rules are applied to each graph; what they find is suppressed, ordered, grouped and compared.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bnlint.cache import Store
from bnlint.config import Settings
from bnlint.domain.finding import Report
from bnlint.domain.request import TraceOutcome
from bnlint.findings.comments import skips_file
from bnlint.pipeline.conclude import conclude, whole_files
from bnlint.pipeline.files import FileResult, Files, Work
from bnlint.pipeline.inform import explain, graph_text, rule_infos
from bnlint.pipeline.known import prune_baseline, write_baseline
from bnlint.pipeline.paths import Paths
from bnlint.pipeline.rules import RuleSet, read_rule_files
from bnlint.sources import Search, Sources, collect

__all__ = [
    "check",
    "check_whole",
    "explain",
    "find_sources",
    "graph_text",
    "prune_baseline",
    "rule_infos",
    "trace",
    "write_baseline",
]

Progress = Callable[[int, int, str], None]
"""Called after each file: files done, files in all, the path of the file."""


def check(settings: Settings, *, progress: Progress | None = None) -> Report:
    """The report about everything that ``settings.paths`` name; see :func:`check_whole`."""
    return check_whole(settings, progress=progress)[0]


def check_whole(
    settings: Settings, *, progress: Progress | None = None
) -> tuple[Report, frozenset[str]]:
    """The report about everything that the paths name, and the files of which all was checked.

    Raises
    ------
    UsageError, ConfigError, RuleError
        When the arguments, the configuration or a rule file are off.

    """
    started, clock = time.time(), time.perf_counter()
    paths = Paths(Path.cwd(), Path(settings.root))
    store = Store(Path(settings.cache_dir) if settings.cache else None)
    sources = find_sources(settings, paths)
    rule_files = read_rule_files(settings)
    files = Files(settings, paths, store)
    work = files.plan(sources.files, rule_files)
    with ExitStack() as stack:
        outcomes = trace(settings, work, stack)  # torch loads from here on, beside what follows
        rules = rule_files.load(settings, store)
        results = list(_conclude(files, work, outcomes, rules, started, progress))
    store.trim()
    report = conclude(settings, paths, sources, rules, results)
    durations = {"total": time.perf_counter() - clock}
    return replace(report, durations=durations), whole_files(paths, results)


def find_sources(settings: Settings, paths: Paths) -> Sources:
    """The files that the paths name, without those that a comment takes out."""
    exclude, force = settings.exclude, settings.force_exclude
    search = Search(paths.cwd, paths.root, exclude, force, settings.stdin_filename)
    found = collect(settings.paths, search)
    out = tuple(file.path for file in found.files if skips_file(file.text))
    kept = tuple(file for file in found.files if file.path not in out)
    return replace(found, files=kept, skipped=(*found.skipped, *out))


def trace(settings: Settings, work: Sequence[Work], stack: ExitStack) -> Iterator[TraceOutcome]:
    """The outcomes of the work that needs tracing, in its order; a worker starts if need be."""
    requests = [each.request for each in work if each.needs_tracing]
    if not requests:
        return iter(())
    from bnlint.isolation.pool import Pool

    jobs = min(settings.jobs or os.cpu_count() or 1, len(requests))
    pool = stack.enter_context(Pool(jobs, settings.timeout, settings.max_memory))
    return pool.trace(requests)


def _conclude(
    files: Files,
    work: Sequence[Work],
    outcomes: Iterator[TraceOutcome],
    rules: RuleSet,
    started: float,
    progress: Progress | None,
) -> Iterator[FileResult]:
    for done, each in enumerate(work, 1):
        outcome = next(outcomes) if each.needs_tracing else None
        yield files.conclude(each, outcome, rules, started)
        if progress is not None:
            progress(done, len(work), each.source.path)
