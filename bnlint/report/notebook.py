"""The report as a table for a notebook: one piece of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from bnlint.domain.finding import Finding, Problem, Report, Severity
from bnlint.domain.graph import Location
from bnlint.report.options import RenderOptions
from bnlint.report.style import plain
from bnlint.report.summary import summary

_COLOURS = {Severity.ERROR: "#b3261e", Severity.WARNING: "#9a6700", Severity.INFO: "#0b57a4"}
# Notebooks keep style attributes where they strip style sheets, and their themes may be dark.
_CELL = "text-align:left;vertical-align:top;padding:.2em .8em .2em 0"
_DIM = "opacity:.7"


def table(report: Report) -> str:
    """The findings as rows of a table, what could not be checked below it, and the summary."""
    parts = ["<div>"]
    if report.findings:
        parts.append("<table><thead><tr>")
        titles = ("rule", "severity", "layer", "message", "place")
        parts += [f'<th style="{_CELL}">{title}</th>' for title in titles]
        parts.append("</tr></thead><tbody>")
        parts += [_row(finding) for finding in report.findings]
        parts.append("</tbody></table>")
    parts += [_problem(problem) for problem in report.problems]
    parts.append(f'<div style="{_DIM}">{_text(summary(report, RenderOptions()))}</div></div>')
    return "".join(parts)


def _row(finding: Finding) -> str:
    colour = _COLOURS[finding.severity]
    severity = f'<span style="color:{colour};font-weight:bold">{finding.severity.value}</span>'
    rule = f'<span title="{_text(finding.name)}">{_text(finding.rule)}</span>'
    layer = ".".join(filter(None, (finding.model, finding.layer)))
    cells = (rule, severity, _code(layer), _message(finding), _code(_place(finding.location)))
    row = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    return f"<tr>{row}</tr>"


def _message(finding: Finding) -> str:
    """The message, with what belongs to it in small print below."""
    more = (f'<div style="{_DIM}">{text}</div>' for text in _more(finding))
    return _text(finding.message) + "".join(more)


def _more(finding: Finding) -> Iterator[str]:
    for related in finding.related:
        place = f" ({_place(related.location)})" if related.location else ""
        yield _text(related.message + place)
    if finding.evidence:
        yield f"measured: {_text(finding.evidence.summary)}"
    if finding.fix:
        yield f"fix ({_text(finding.fix.safety)}): {_text(finding.fix.message)}"


def _problem(problem: Problem) -> str:
    word = "not checked" if problem.blocking else "note"
    where = f"{problem.file}:{problem.line}" if problem.line else problem.file
    model = f" [{problem.model}]" if problem.model else ""
    hint = f'<div style="{_DIM}">{_text(problem.hint)}</div>' if problem.hint else ""
    said = _text(f"{word} ({problem.kind.value}): {problem.message}{model}")
    return f"<div>{_code(where)} {said}{hint}</div>"


def _place(at: Location) -> str:
    return f"{at.path}:{at.line}:{at.column}" if at.path else ""


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>" if text else ""


def _text(text: str) -> str:
    return escape(plain(text))
