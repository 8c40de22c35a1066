"""Measured findings under the settings of rules: selected, weighed, suppressed by comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from bnlint.config import Settings
from bnlint.domain.finding import Finding, Severity
from bnlint.engine.catalogue import asked_for, means, selection, weight_of
from bnlint.findings.suppress import RuleNames, suppress
from bnlint.probing.judging.metric import PREFIX, metrics
from bnlint.sources import Paths, SourceFile, source_file


@cache
def metric_names() -> Mapping[str, str]:
    """The names of all metrics of the probe by the rule of their findings."""
    return {PREFIX + metric.name: metric.name for metric in metrics()}


def is_metric(word: str) -> bool:
    """True for a word that means metrics and no rule: a name, or what ``probe/`` begins."""
    return word in metric_names().values() or (
        word.startswith(PREFIX) and any(means(word, id_, "") for id_ in metric_names())
    )


def weighed(findings: Iterable[Finding], settings: Settings) -> Iterator[Finding]:
    """The findings that the settings ask for, at the severities that they set."""
    select = selection(settings.select, settings.extend_select)
    for finding in findings:
        names = finding.rule, finding.name
        weight = weight_of(*names, settings.severity)
        if asked_for(*names, select, settings.ignore) and weight != "off":
            yield replace(finding, severity=Severity(weight)) if weight else finding


def kept(findings: Iterable[Finding], paths: Paths) -> tuple[tuple[Finding, ...], int]:
    """The findings that no comment in the source covers, and how many one does."""

    @cache
    def text(path: str) -> str | None:
        if path.startswith("<"):
            return None
        read = source_file(path, Path(paths.absolute(path)).read_bytes)
        return read.text if isinstance(read, SourceFile) else None

    found = suppress(findings, text, {}, RuleNames(metric_names()))
    return found.kept, found.count
