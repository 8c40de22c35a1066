"""One line per finding, which editors and ``grep`` can read."""

from __future__ import annotations

from bnlint.domain.finding import Finding, Report
from bnlint.report import Format, RenderOptions
from bnlint.report.lines import linked, paint, place, plain
from bnlint.report.rule_links import rule_link


def render(report: Report, options: RenderOptions) -> str:
    """``path:line:column: RULE severity: message [model]`` for every finding."""
    return "".join(headline(finding, options) + "\n" for finding in report.findings)


def headline(finding: Finding, options: RenderOptions) -> str:
    """The line of one finding, in colour where the options ask for it."""
    severity = finding.severity.value
    page = rule_link(finding.rule, options.docs_url) if options.links else ""
    what = linked(paint(f"{finding.rule} {severity}", severity, options.colour), page)
    model = paint(f"[{plain(finding.model)}]", "dim", options.colour) if finding.model else ""
    head = paint(plain(place(finding.location, options)), "bold", options.colour)
    return f"{head}: {what}: {plain(finding.message)} {model}".rstrip()


FORMAT = Format(render)
