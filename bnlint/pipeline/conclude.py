"""From what every file yields to the report: held back, ordered, grouped, named, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bnlint.config import Settings
from bnlint.domain.finding import Finding, ModelSummary, Problem, Report
from bnlint.findings.order import fingerprinted, grouped, ordered
from bnlint.findings.suppress import RuleNames, suppress
from bnlint.pipeline.coverage import Coverage, coverage
from bnlint.pipeline.files import FileResult, merge_undecided
from bnlint.pipeline.known import Known
from bnlint.pipeline.paths import Paths
from bnlint.pipeline.rules import RuleSet
from bnlint.sources import SourceFile, Sources, source_file


def conclude(
    settings: Settings,
    paths: Paths,
    sources: Sources,
    rules: RuleSet,
    results: Sequence[FileResult],
    known: Known | None = None,
) -> tuple[Report, Coverage]:
    """The report of a run, and what its silence means."""
    known, covered = known or Known(), coverage(paths, rules, results)
    undecided = merge_undecided(u for r in results for u in r.undecided)
    problems = [paths.problem(p) for r in results for p in r.problems]
    problems += sources.problems
    found = ordered(paths.finding(f) for r in results for f in r.findings)
    names = RuleNames(rules.names, lambda path: rules.own(paths.rooted(path)))
    suppressed = suppress(found, _texts(sources, paths), covered.decided, names)
    findings = fingerprinted(grouped(suppressed.kept), paths.rooted)
    findings, baselined, stale = _compare(settings, paths, findings, covered, known)
    changed = _since(paths, findings, known)
    report = Report(
        changed,
        tuple(sorted([*problems, *stale], key=_place)),
        tuple(_summary(paths, m) for r in results for m in r.models),
        undecided,
        suppressed.count,
        baselined,
        len(sources.files) + len(sources.skipped),
        len(sources.skipped),
        next((r.torch for r in results if r.torch), ""),
        {},
        sources.by_hand,
        graphs=tuple(replace(g, ref=paths.ref(g.ref)) for r in results for g in r.graphs),
        unchanged=len(findings) - len(changed),
    )
    return report, covered


def _place(problem: Problem) -> tuple[str, int, str, str]:
    return problem.file, problem.line, problem.model, problem.message


def _summary(paths: Paths, model: ModelSummary) -> ModelSummary:
    return replace(model, ref=paths.ref(model.ref))


class _texts:
    """The text of a file by the path that reports show: what was checked, else what is on disk."""

    def __init__(self, sources: Sources, paths: Paths) -> None:
        self._known: dict[str, str | None] = {f.path: f.text for f in sources.files}
        self._paths = paths

    def __call__(self, path: str) -> str | None:
        if path not in self._known:
            read = source_file(path, Path(self._paths.absolute(path)).read_bytes)
            self._known[path] = read.text if isinstance(read, SourceFile) else None
        return self._known[path]


def _compare(
    settings: Settings,
    paths: Paths,
    findings: tuple[Finding, ...],
    covered: Coverage,
    known: Known,
) -> tuple[tuple[Finding, ...], int, tuple[Problem, ...]]:
    """The findings that are new, how many were known, and what is to say of stale entries."""
    if known.entries is None:
        return findings, 0, ()
    from bnlint.findings.baseline import compare, stale_problems

    would_find = covered.renamed(paths.rooted).would_find
    compared = compare(findings, known.entries, would_find, lambda p: (paths.root / p).exists())
    held = len(findings) - len(compared.new)
    return compared.new, held, stale_problems(compared.stale, paths.shown(settings.baseline))


def _since(paths: Paths, findings: tuple[Finding, ...], known: Known) -> tuple[Finding, ...]:
    if known.changes is None:
        return findings
    from bnlint.findings.changed import changed_only

    return changed_only(findings, known.changes, paths.cwd)
