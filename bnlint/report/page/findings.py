"""The findings of a page, by file and model, and the rules behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnlint.domain.finding import Finding, Report
from bnlint.domain.graph import Location
from bnlint.report.options import RenderOptions, RuleInfo
from bnlint.report.page.markup import Places, badge, code, items, text
from bnlint.report.summary import plural


def findings(report: Report, options: RenderOptions) -> str:
    """Every finding under the heading of its file and model, then the pages of their rules."""
    if not report.findings:
        return '<p class="good">✔ no findings</p>' if report.models else "<p>no findings</p>"
    writer = _Writer(options)
    groups: dict[tuple[str, str], list[tuple[int, Finding]]] = {}
    for number, finding in enumerate(report.findings):
        groups.setdefault((finding.location.path, finding.model), []).append((number, finding))
    parts = [writer.group(path, model, found) for (path, model), found in groups.items()]
    return "".join(parts) + _rules(report.findings, options)


class _Writer:
    """Writes findings; each source file is read once."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options
        self._places = Places(options)
        self._lines: dict[str, list[str]] = {}

    def group(self, path: str, model: str, found: Sequence[tuple[int, Finding]]) -> str:
        shown = self._options.relative(path) if path else "no file"
        name = f" <span class=model>{text(model)}</span>" if model else ""
        head = f"<h3>{text(shown)}{name} <span class=count>{len(found)}</span></h3>"
        rows = "".join(self._finding(number, finding) for number, finding in found)
        return f"<section class=group>{head}{rows}</section>"

    def _finding(self, number: int, finding: Finding) -> str:
        severity = finding.severity.value
        times = f" <span class=count>{finding.count} layers</span>" if finding.count > 1 else ""
        head = (
            f"{badge(finding.severity)} {self._rule(finding)} {code(finding.layer)}{times}"
            f" {self._places.link(finding.location)}"
            f"<button class=locate data-finding={number} hidden>show in graph</button>"
        )
        return (
            f'<article class="finding {severity}" data-severity={severity} id=finding-{number}>'
            f"<p class=head>{head}</p><p class=message>{text(finding.message)}</p>"
            f"{self._excerpt(finding.location)}{items(self._more(finding), 'more')}</article>"
        )

    def _rule(self, finding: Finding) -> str:
        label = f"<b>{text(finding.rule)}</b> {text(finding.name)}"
        known = finding.rule in self._options.rules
        return f'<a class=rule href="#rule-{text(finding.rule)}">{label}</a>' if known else label

    def _more(self, finding: Finding) -> Iterator[str]:
        for related in finding.related:
            yield f"{text(related.message)} {self._places.link(related.location)}".rstrip()
        if finding.evidence:
            yield f"evidence: {text(finding.evidence.summary)}"
        if finding.fix:
            yield f"fix ({text(finding.fix.safety)}): {text(finding.fix.message)}"

    def _excerpt(self, at: Location) -> str:
        """The source line with the place marked in it; nothing when it cannot be read."""
        if at.path not in self._lines:
            self._lines[at.path] = self._options.lines(at.path) if at.path else []
        lines = self._lines[at.path]
        if not 0 < at.line <= len(lines):
            return ""
        line = lines[at.line - 1].rstrip()
        same = at.end_line in (0, at.line) and at.end_column > at.column
        start, end = at.column - 1, (at.end_column if same else at.column + 1) - 1
        parts = line[:start].lstrip(), line[start:end], line[end:]
        before, inside, after = (text(part.replace("\t", " ")) for part in parts)
        return f"<pre>{before}<mark>{inside}</mark>{after}</pre>"


def _rules(found: Sequence[Finding], options: RenderOptions) -> str:
    fired = sorted({finding.rule for finding in found} & set(options.rules))
    if not fired:
        return ""
    pages = "".join(_rule(options.rules[rule]) for rule in fired)
    return f"<section class=rules><h3>{plural(len(fired), 'rule')}</h3>{pages}</section>"


def _rule(rule: RuleInfo) -> str:
    named = (("why", rule.why), ("evidence", rule.evidence), ("instead", rule.instead))
    parts = [f"<dt>{name}</dt><dd>{text(value.strip())}</dd>" for name, value in named if value]
    if rule.references:
        parts.append(f"<dt>references</dt><dd>{items(map(text, rule.references), 'refs')}</dd>")
    head = f"<b>{text(rule.id)}</b> {text(rule.name)}: {text(rule.summary)}"
    body = f"<summary>{head}</summary><dl>{''.join(parts)}</dl>"
    return f'<details id="rule-{text(rule.id)}">{body}</details>'
