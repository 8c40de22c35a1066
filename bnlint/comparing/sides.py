"""The models of one side of a comparison, traced as for linting, cache included."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bnlint.cache import Store, save
from bnlint.config import Settings
from bnlint.domain.finding import Finding, Problem
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import FileRequest, InputSpec, ModelSpec, TraceOutcome, TraceRequest
from bnlint.engine.check import check_graph
from bnlint.isolation.jobs import Limits
from bnlint.isolation.pool import Pool
from bnlint.pipeline import Means, find_sources, read_rules
from bnlint.pipeline.rulebook import RuleSet
from bnlint.pipeline.work import Files, Work
from bnlint.sources import Paths


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder with one version of the files, and the same folders in it that a run has.

    ``top`` is where the repository begins.
    """

    revision: str
    cwd: Path
    root: Path
    top: Path

    def shown(self, path: str) -> str:
        """The path of a file of this tree as the user writes it; the same in all versions."""
        full = self.cwd / path
        if full.is_relative_to(self.top):
            return Path(os.path.relpath(full, self.cwd)).as_posix()
        return full.as_posix()


@dataclass(frozen=True, slots=True)
class TracedModel:
    """One model of one side: its graph, findings, and the request that traced its file."""

    tree: Tree
    file: str
    graph: ModelGraph
    request: TraceRequest
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """What the model is called in reports."""
        return self.graph.ref.name

    @property
    def call(self) -> str:
        """What builds the model."""
        return self.graph.ref.arguments or self.graph.ref.name

    @property
    def spec(self) -> ModelSpec:
        """The model as a user names it: its call if it was named by one."""
        ref = self.graph.ref
        return ModelSpec(self.call if ref.origin == "named" and not ref.guessed else ref.name)


@dataclass(frozen=True, slots=True)
class TracedFile:
    """One file of one side, with its models and what could not be checked."""

    tree: Tree
    file: str
    models: tuple[TracedModel, ...] = ()
    problems: tuple[Problem, ...] = ()
    torch: str = ""


class Tracing:
    """Traces files of both sides with one worker; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(Path(settings.cache_dir) if settings.cache else None)
        self.rules: RuleSet = read_rules(settings, self.store)
        self._stack = ExitStack()
        self._pool: Pool | None = None

    def __enter__(self) -> Tracing:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.store.trim()

    def files(self, tree: Tree, targets: Sequence[str], *, sift: bool = False) -> list[TracedFile]:
        """The models of the files that ``targets`` name; ``sift`` skips those without models."""
        if not targets:
            return []
        settings = replace(self.settings, paths=tuple(targets), root=str(tree.root))
        settings = replace(settings, allow_unchecked=sift, force_exclude=sift)
        paths = Paths(tree.cwd, tree.root)
        sources = find_sources(settings, paths, Means())
        works = Files(settings, paths, self.store).plan(sources.files, self.rules.digest)
        outcomes = self.outcomes(works)
        found = [self._file(tree, paths, w, o) for w, o in zip(works, outcomes, strict=True)]
        lost = [TracedFile(tree, p.file, (), (p,)) for p in sources.problems]
        return [*found, *lost]

    def outcomes(self, works: Sequence[Work]) -> Iterator[TraceOutcome]:
        """The outcome of each work, from the cache where that has it."""
        from bnlint.cache import load

        started = time.time()
        kept = [w.outcome or load(self.store, w.graph_key, TraceOutcome) for w in works]
        missing = [w.request for w, o in zip(works, kept, strict=True) if o is None]
        traced = iter(self.trace(missing))
        for work, outcome in zip(works, kept, strict=True):
            if outcome is not None:
                yield outcome
                continue
            fresh = next(traced)
            if not work.source.buffer and not fresh.problems:
                own = [p for p in (work.request.path, *fresh.imported) if p]
                save(self.store, work.graph_key, fresh, fresh.consulted, own, started)
            yield fresh

    def trace(self, requests: Sequence[FileRequest]) -> Iterable[TraceOutcome]:
        """The outcomes of requests, by a worker that is started once."""
        if not requests:
            return ()
        jobs = self.settings.jobs or os.cpu_count() or 1
        if self._pool is None:
            pool = Pool.within(Limits.of(self.settings), jobs)
            self._pool = self._stack.enter_context(pool)
        return self._pool.trace(requests)

    def again(
        self, model: TracedModel, call: str, inputs: tuple[InputSpec, ...] = ()
    ) -> tuple[TracedModel, ...]:
        """The models of the file of ``model`` that a call builds; none if it builds none."""
        request = replace(model.request, models=(ModelSpec(call, inputs),))
        (outcome,) = self.trace([request])
        paths = Paths(model.tree.cwd, model.tree.root)
        return tuple(self._model(model.tree, paths, model.file, g, request) for g in outcome.graphs)

    def _file(self, tree: Tree, paths: Paths, work: Work, outcome: TraceOutcome) -> TracedFile:
        file = tree.shown(work.source.path)
        models = tuple(
            self._model(tree, paths, file, graph, work.request) for graph in outcome.graphs
        )
        problems = tuple(paths.problem(problem) for problem in outcome.problems)
        return TracedFile(tree, file, models, problems, outcome.torch)

    def _model(
        self, tree: Tree, paths: Paths, file: str, graph: ModelGraph, request: TraceRequest
    ) -> TracedModel:
        rules = self.rules.for_file(paths.rooted(file))
        findings = check_graph(graph, rules, self.settings.for_rules()).findings
        shown = tuple(paths.finding(finding) for finding in findings)
        return TracedModel(tree, file, graph, request, shown)
