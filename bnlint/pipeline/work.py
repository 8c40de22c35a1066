"""What each file yields: read from the cache, or to be traced and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import NamedTuple

from bnlint.cache import Store, digest, environment, load, save
from bnlint.config import Settings
from bnlint.domain.finding import (
    MISSED,
    Finding,
    ModelSummary,
    Problem,
    ProblemKind,
    Undecided,
)
from bnlint.domain.graph import ModelGraph, Value
from bnlint.domain.request import InputSpec, ModelSpec, TraceOutcome, TraceRequest
from bnlint.graph.cost import cost_of
from bnlint.pipeline.notes import is_hidden, notes_on
from bnlint.pipeline.rulebook import RuleSet
from bnlint.sources import Paths, SourceFile

_PASSING = frozenset({ProblemKind.TIMEOUT, ProblemKind.MEMORY, ProblemKind.CRASH, ProblemKind.EXIT})
"""Problems that may not occur the next time: their results are not kept."""

_WEIGHT_LIMIT = 500_000_000
"""Parameters up to which a model is built for real, so that rules can read its initial values."""


_PATIENCE = 5.0
"""Seconds that a statement at the top of a file may run, at most a share of the time for a file."""
_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class FileResult:
    """What one file yields before anything is suppressed; paths are absolute.

    ``models`` were checked, ``missed`` were not, though they were built.
    ``graphs`` are there only when an output draws them; they are kept with the outcome, not here.
    ``rules`` are the ids of those that were run, the linter's own among them.
    """

    path: str
    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    models: tuple[ModelSummary, ...] = ()
    missed: tuple[ModelSummary, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    torch: str = ""
    graphs: tuple[ModelGraph, ...] = ()
    rules: tuple[str, ...] = ()


class Work(NamedTuple):
    """One file with the request to trace it, and its result or outcome where that is cached."""

    source: SourceFile
    request: TraceRequest
    graph_key: str
    result_key: str
    result: FileResult | None = None
    outcome: TraceOutcome | None = None

    @property
    def needs_tracing(self) -> bool:
        """True when neither a result nor an outcome is known."""
        return self.result is None and self.outcome is None


@dataclass(frozen=True, slots=True)
class Files:
    """Plans the work on the files of a run and concludes it."""

    settings: Settings
    paths: Paths
    store: Store

    def plan(self, sources: Sequence[SourceFile], rules: str) -> list[Work]:
        """The work for each file, with what the cache has of it; ``rules`` is their digest."""
        installed = environment(self.store) if self.settings.cache else ""
        of_graph = (installed, self.settings.key("graph"))
        of_result = (rules, self.settings.key("findings"))
        return [self._plan(source, of_graph, of_result) for source in sources]

    def _plan(self, source: SourceFile, of_graph: Iterable[str], of_result: Iterable[str]) -> Work:
        request = self._request(source)
        declared = (request.models, request.inputs, request.inputs_of)
        named = repr((request.path, request.module, *declared))
        graph_key = digest("graph", source.digest, named, *of_graph)
        keys = graph_key, digest("result", graph_key, *of_result)
        result, outcome = (None, None) if source.buffer else self._kept(*keys)
        return Work(source, request, *keys, result, outcome)

    def _kept(
        self, graph_key: str, result_key: str
    ) -> tuple[FileResult | None, TraceOutcome | None]:
        """What the cache has of a file: its result, or else its outcome."""
        drawn = self.settings.draws_graphs
        if not drawn and (kept := load(self.store, result_key, FileResult)) is not None:
            return kept, None
        return None, load(self.store, graph_key, TraceOutcome)

    def _request(self, source: SourceFile) -> TraceRequest:
        s, path = self.settings, self.paths.absolute(source.path)
        rooted = self.paths.rooted(source.path)
        return TraceRequest(
            "" if source.module else path,
            module=source.module,
            text=source.text if source.buffer or source.cells else None,
            models=self._models(source, rooted),
            inputs=s.inputs or self._inputs(rooted),
            inputs_of=() if s.inputs else self._inputs_of(rooted),
            layers=s.layers,
            real_weights=True,
            weight_limit=_WEIGHT_LIMIT,
            patience=min(_PATIENCE, s.timeout * _SHARE) if s.timeout else _PATIENCE,
        )

    def _models(self, source: SourceFile, rooted: str) -> tuple[ModelSpec, ...]:
        fitting = (entry for entry in self.settings.models if fnmatch(rooted, entry.glob))
        declared = [model for entry in fitting for model in entry.models]
        chosen = [ModelSpec(target) for target in source.targets] or declared
        return tuple(replace(m, inputs=m.inputs or self._inputs(rooted, m.call)) for m in chosen)

    def _inputs(self, rooted: str, call: str = "") -> tuple[InputSpec, ...]:
        name = call.partition("(")[0].strip()
        for entry in self.settings.inputs_for:
            if fnmatch(rooted, entry.glob) and entry.model == name:
                return entry.inputs
        return ()

    def _inputs_of(self, rooted: str) -> tuple[ModelSpec, ...]:
        own = (e for e in self.settings.inputs_for if e.model and fnmatch(rooted, e.glob))
        return tuple(ModelSpec(entry.model, entry.inputs) for entry in own)

    def conclude(
        self, work: Work, outcome: TraceOutcome | None, rules: RuleSet, started: float
    ) -> FileResult:
        """The result of a file; what was traced and found now is kept for the next run."""
        if work.result is not None:
            return work.result
        traced = work.outcome or outcome
        assert traced is not None, "work without a result or an outcome"
        rooted = self.paths.rooted(work.source.path)
        result = examine(traced, rules, rooted, self.settings.for_rules())
        passing = any(map(_may_pass, traced.problems))
        if self.store.keeps and not work.source.buffer and not passing:
            own = [p for p in (work.request.path, *traced.imported) if p]
            if work.outcome is None:
                save(self.store, work.graph_key, traced, traced.consulted, own, started)
            save(self.store, work.result_key, result, traced.consulted, own, started)
        return replace(result, graphs=traced.graphs) if self.settings.draws_graphs else result


def examine(
    outcome: TraceOutcome, rules: RuleSet, rooted: str, settings: Mapping[str, Value]
) -> FileResult:
    """The result of running the rules on every model of a file; ``rooted`` is its path."""
    from bnlint.engine.check import check_graph

    chosen = rules.for_file(rooted)
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    noted: list[Problem] = []
    hidden: list[Problem] = []
    models: dict[bool, list[ModelSummary]] = {True: [], False: []}
    for graph in outcome.graphs:
        checked = check_graph(graph, chosen, settings)
        notes = list(notes_on(graph, checked.findings))
        noted += notes
        models[all(note.kind not in MISSED for note in notes)].append(summarise(graph))
        hidden += [note for note in notes if note.kind in MISSED and is_hidden(graph)]
        findings += checked.findings
        undecided += checked.undecided
    if not models[True]:
        noted = [replace(note, blocking=note in hidden) for note in noted]
    return FileResult(
        outcome.path,
        tuple(findings),
        (*outcome.problems, *noted),
        tuple(models[True]),
        tuple(models[False]),
        merge_undecided(undecided),
        outcome.torch,
        rules=tuple(sorted(rules.run_on(rooted))),
    )


def _may_pass(problem: Problem) -> bool:
    """True where the next run may get further, other than past an exit at import."""
    partly = problem.kind is ProblemKind.EXIT and not problem.blocking
    return problem.kind in _PASSING and not partly


def summarise(graph: ModelGraph) -> ModelSummary:
    """One model as reports list it."""
    batchnorms = sum("batchnorm" in op.tags for op in graph.ops)
    operations = sum(not op.tags & {"input", "output"} for op in graph.ops)
    cost, training = cost_of(graph), graph.training
    return ModelSummary(
        graph.ref, graph.trace, operations, batchnorms, graph.parameters, training, cost
    )


def merge_undecided(undecided: Iterable[Undecided]) -> tuple[Undecided, ...]:
    """One entry a rule, with all counts and reasons, by rule id."""
    counts: Counter[str] = Counter()
    reasons: dict[str, dict[str, None]] = {}
    for each in undecided:
        counts[each.rule] += each.count
        reasons.setdefault(each.rule, {}).update(dict.fromkeys(each.reasons))
    return tuple(Undecided(rule, counts[rule], tuple(reasons[rule])) for rule in sorted(counts))
