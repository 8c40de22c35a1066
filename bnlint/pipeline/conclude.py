"""From what every file yields to the report: suppressed, ordered, grouped, named, compared.

Findings that are listed in a baseline, or lie on unchanged lines, are left out. No findings means
something only where a rule was run and could decide everything: the coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bnlint.config import Settings
from bnlint.domain.finding import MISSED, Finding, Problem, ProblemKind, Report
from bnlint.findings.order import fingerprinted, grouped, ordered
from bnlint.findings.suppress import RuleNames, suppress
from bnlint.pipeline.notebooks import Notebooks
from bnlint.pipeline.rulebook import RuleSet
from bnlint.pipeline.unmatched import unmatched
from bnlint.pipeline.work import FileResult, merge_undecided
from bnlint.sources import Paths, SourceFile, Sources, source_file

if TYPE_CHECKING:
    from bnlint.findings.baseline import Entry
    from bnlint.findings.changed import Changes

_INCOMPLETE = MISSED | {ProblemKind.OPAQUE_PART}

Rules = Mapping[str, frozenset[str]]
"""Ids of rules by file."""


class Coverage(NamedTuple):
    """The rules that were ``run`` on each file, and those that ``decided`` everything in it.

    Files of which a model could not be checked are missing from ``decided``. ``known`` are the ids
    of all rules there are.
    """

    run: Rules
    decided: Rules
    known: Collection[str]

    def could_find(self, file: str, rule: str) -> bool:
        """True where the rule was run on the file, or is gone for good."""
        return file in self.run and (rule in self.run[file] or rule not in self.known)

    def would_find(self, file: str, rule: str) -> bool:
        """True where the rule would have found whatever there is to find in the file."""
        return file in self.decided and (rule in self.decided[file] or rule not in self.known)

    def renamed(self, name: Callable[[str], str]) -> Coverage:
        """The same with other names for the files."""
        run, decided = ({name(f): ids for f, ids in r.items()} for r in (self.run, self.decided))
        return Coverage(run, decided, self.known)


class Known(NamedTuple):
    """The entries of the baseline, and what changed; None where that was not requested."""

    entries: tuple[Entry, ...] | None = None
    changes: Changes | None = None


def read_known(settings: Settings, paths: Paths) -> Known:
    """What findings will be compared with, read before the long part of a run.

    Raises ConfigError or UsageError when the baseline file or the revision is wrong.
    """
    known = Known()
    if settings.baseline:
        from bnlint.findings.baseline import read_baseline

        known = Known(read_baseline(Path(settings.baseline)))
    if settings.since:
        from bnlint.findings.changed import since

        known = known._replace(changes=since(settings.since, paths.cwd))
    return known


def conclude(
    settings: Settings,
    paths: Paths,
    sources: Sources,
    rules: RuleSet,
    results: Sequence[FileResult],
    known: Known | None = None,
) -> tuple[Report, Coverage]:
    """The report of a run, and what the absence of findings means."""
    known, covered = known or Known(), _coverage(paths, rules.names, results)
    models = (model for result in results for model in result.models)
    undecided = merge_undecided(u for r in results for u in r.undecided)
    said = (paths.problem(p) for r in results for p in _of_one_voice(r))
    problems = [*said, *sources.problems, *unmatched(settings, paths, sources, results)]
    found = ordered(paths.finding(f) for r in results for f in r.findings)
    names = RuleNames(rules.names, lambda path: rules.own(paths.rooted(path)))
    suppressed = suppress(found, _texts(sources, paths), covered.decided, names)
    findings = fingerprinted(grouped(suppressed.kept), paths.rooted)
    findings, baselined, stale = _compare(settings, paths, findings, covered, known)
    changed = findings
    if known.changes is not None:
        from bnlint.findings.changed import changed_only

        changed = changed_only(findings, known.changes, paths.cwd)
    report = Report(
        changed,
        tuple(sorted([*problems, *stale], key=lambda p: (p.file, p.line, p.model, p.message))),
        tuple(replace(model, ref=paths.ref(model.ref)) for model in models),
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
        missed=tuple(replace(m, ref=paths.ref(m.ref)) for r in results for m in r.missed),
    )
    return Notebooks.among(sources.files, paths).report(report), covered


def _of_one_voice(result: FileResult) -> Iterator[Problem]:
    """The problems of a file without those of a model that was checked, built in another way."""
    checked = {model.ref.name for model in result.models}
    for problem in result.problems:
        if problem.kind not in MISSED or problem.model not in checked:
            yield problem
        elif problem.kind is ProblemKind.UNTRACEABLE:
            yield replace(problem, kind=ProblemKind.OPAQUE_PART)


def _texts(sources: Sources, paths: Paths) -> Callable[[str], str | None]:
    """Looks texts up by the path that reports show: what was checked, else what is on disk."""
    checked = {file.path: file.text for file in sources.files}

    @cache
    def text(path: str) -> str | None:
        if path in checked:
            return checked[path]
        read = source_file(path, Path(paths.absolute(path)).read_bytes)
        return read.text if isinstance(read, SourceFile) else None

    return text


def _compare(
    settings: Settings,
    paths: Paths,
    findings: tuple[Finding, ...],
    covered: Coverage,
    known: Known,
) -> tuple[tuple[Finding, ...], int, tuple[Problem, ...]]:
    """The findings that are new, how many were known, and a problem for each stale entry."""
    if known.entries is None:
        return findings, 0, ()
    from bnlint.findings.baseline import compare, stale_problems

    would_find = covered.renamed(paths.rooted).would_find
    compared = compare(findings, known.entries, would_find, lambda p: (paths.root / p).exists())
    held = len(findings) - len(compared.new)
    return compared.new, held, stale_problems(compared.stale, paths.shown(settings.baseline))


def _coverage(paths: Paths, known: Collection[str], results: Iterable[FileResult]) -> Coverage:
    run: dict[str, frozenset[str]] = {}
    decided: dict[str, frozenset[str]] = {}
    for result in results:
        if not result.models:
            continue
        file = paths.shown(result.path)
        run[file] = frozenset(result.rules)
        if not any(p.blocking or p.kind in _INCOMPLETE for p in result.problems):
            decided[file] = run[file] - {u.rule for u in result.undecided}
    return Coverage(run, decided, known)
