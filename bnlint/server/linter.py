"""Linting of one document at a time, with a worker that stays warm between them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bnlint import pipeline
from bnlint.config import Settings, load_settings
from bnlint.domain.errors import BnlintError, UsageError
from bnlint.domain.finding import Finding, Problem, Report
from bnlint.domain.rule import Rule
from bnlint.isolation.jobs import Limits
from bnlint.isolation.pool import Pool
from bnlint.report.rule_links import rule_link

_URL = re.compile(r"https?://[^\s<>\"')\]]*[^\s<>\"')\].,;]")


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found in a document whose text was ``text``; findings and problems of it alone.

    Every finding points into the document: one about a layer that another file builds points at
    where the document calls it, or at the model. Paths are absolute. ``links`` are web addresses by
    rule id, empty where the rule's file names none.
    """

    path: str
    text: str
    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)

    def may_have_fixes(self, rules: Collection[object]) -> bool:
        """True when a finding of one of these rules proposes a fix."""
        return any(finding.remedy and finding.rule in rules for finding in self.findings)


class Linter:
    """Lints documents as the command line would; for one thread at a time."""

    def __init__(self) -> None:
        self._pool: Pool | None = None

    def warm_up(self) -> None:
        """Start the worker, so that torch is loaded by the time a document is checked."""
        self._warm(load_settings({"paths": []}))

    def lint(self, path: str, text: str) -> Linted:
        """What is wrong in the document at ``path`` whose text is ``text``, saved or not.

        Raises BnlintError when the configuration or a rule file is wrong.
        """
        data = text.encode("utf-8", "surrogatepass")
        saved = _on_disk(path) == data
        named = {"paths": [path]} if saved else {"paths": ["-"], "stdin_filename": path}
        settings = load_settings({"force_exclude": True, **named})
        pool = self._warm(settings)
        means = pipeline.Means(tracer=pool.trace, stdin=lambda: data)
        report, _ = pipeline.check_whole(settings, means)
        return _of_document(report, settings, path, text)

    def close(self) -> None:
        """End the worker."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _warm(self, settings: Settings) -> Pool:
        """The worker; a new one where the settings have other limits."""
        limits = Limits.of(settings)
        pool = self._pool
        if pool is None or pool.limits != limits:
            self.close()
            pool = self._pool = Pool.within(limits)
        return pool


def with_fixes(linted: Linted) -> Linted:
    """The same with proved fixes at its findings; unchanged for text that is not saved.

    Independent of any :class:`Linter`, with a worker of its own: a proof takes seconds.
    """
    data = linted.text.encode("utf-8", "surrogatepass")
    if _on_disk(linted.path) != data:
        return linted
    from bnlint.fixes import apply

    given = {"paths": [linted.path], "diff": True, "unsafe_fixes": True, "force_exclude": True}
    settings = load_settings(given)
    try:
        report = apply.run(settings).report
    except BnlintError:  # libcst is not installed, or the file changed meanwhile
        return linted
    if _on_disk(linted.path) != data:
        return linted
    return _of_document(report, settings, linted.path, linted.text)


def page(path: str, rule: str) -> str:
    """The page of a rule in markdown, as the document's configuration knows it; empty for none."""
    try:
        return pipeline.explain(load_settings({"paths": [path]}), rule)
    except UsageError:
        return ""


def _on_disk(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _of_document(report: Report, settings: Settings, path: str, text: str) -> Linted:
    pointing = (_pointing_into(finding, path) for finding in report.findings)
    findings = tuple(finding for finding in pointing if finding is not None)
    problems = tuple(p for p in report.problems if absolute(p.file) == path)
    fired = {finding.rule for finding in findings}
    rules = pipeline.known_rules(settings) if fired else ()
    links = {rule.id: _address(rule, settings) for rule in rules if rule.id in fired}
    return Linted(path, text, findings, problems, links)


def _address(rule: Rule, settings: Settings) -> str:
    """The rule's page on the web, else the first address that its references name."""
    found = (_URL.search(reference) for reference in rule.docs.references)
    first = next((match[0] for match in found if match), "")
    return rule_link(rule.id, settings.docs_url) or first


def _pointing_into(finding: Finding, path: str) -> Finding | None:
    for place in (finding.location, *finding.anchors):
        if absolute(place.path) == path:
            return replace(finding, location=replace(place, path=path))
    return None


def absolute(path: str) -> str:
    """The absolute path of one that a report shows."""
    return str(Path.cwd() / path)
