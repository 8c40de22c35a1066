"""One line a finding: what editors and ``grep`` read."""

from __future__ import annotations

from bnlint.domain.finding import Finding, Report
from bnlint.report.options import RenderOptions
from bnlint.report.style import paint, plain


def render(report: Report, options: RenderOptions) -> str:
    """``path:line:column: RULE severity: message [model]`` for every finding."""
    return "".join(headline(finding, options) + "\n" for finding in report.findings)


def headline(finding: Finding, options: RenderOptions) -> str:
    """The one line that tells a finding."""
    at = finding.location
    place = plain(f"{options.relative(at.path)}:{at.line}:{at.column}")
    severity = finding.severity.value
    what = paint(f"{finding.rule} {severity}", severity, options.colour)
    model = paint(f"[{plain(finding.model)}]", "dim", options.colour) if finding.model else ""
    head = paint(place, "bold", options.colour)
    return f"{head}: {what}: {plain(finding.message)} {model}".rstrip()
