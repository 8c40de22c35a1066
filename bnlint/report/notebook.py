"""Reports and graphs as people meet them in Python: short texts, and tables for a notebook.

The tables are self-contained HTML without a style sheet.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from bnlint.domain.finding import Finding, Problem, Report, Severity
from bnlint.domain.graph import ModelGraph, Op
from bnlint.domain.phrases import plural
from bnlint.report import RenderOptions
from bnlint.report.lines import of_model, place, plain, problem_place, summary

_COLOURS = {Severity.ERROR: "#b3261e", Severity.WARNING: "#9a6700", Severity.INFO: "#0b57a4"}
# Notebooks strip style sheets but keep style attributes, and their themes may be dark.
_CELL = "text-align:left;vertical-align:top;padding:.2em .8em .2em 0"
_DIM = "opacity:.7"
_AS_GIVEN = RenderOptions()
"""Paths stay as the report has them."""


_MOST_ROWS = 500
"""Operations of a graph that a notebook shows."""


def short(report: Report) -> str:
    """One line about a report: its summary, and the first thing that was not checked."""
    missed = next((f"; {p.file}: {p.message}" for p in report.not_checked()), "")
    return plain(summary(report, _AS_GIVEN) + missed)


def short_graph(graph: ModelGraph) -> str:
    """One line about a graph: the model, how much it holds, how it was traced."""
    whole = (
        "whole" if graph.trace.complete else f"all but {plural(len(graph.trace.opaque), 'part')}"
    )
    sizes = f"{plural(len(graph.ops), 'operation')}, {plural(graph.parameters, 'parameter')}"
    return plain(f"{graph.ref.name}: {sizes}, traced {whole} by {graph.trace.tracer}")


def graph_table(graph: ModelGraph) -> str:
    """The operations as rows of a table: layer, kind, shape, line; below it what was not traced."""
    rows = "".join(map(_op_row, graph.ops[:_MOST_ROWS]))
    more = len(graph.ops) - _MOST_ROWS
    said = [
        short_graph(graph),
        *(f"{p.path or 'the model'}: {p.reason}" for p in graph.trace.opaque),
    ]
    if more > 0:
        said.append(f"{plural(more, 'operation')} not shown")
    lines = "".join(f'<div style="{_DIM}">{_text(line)}</div>' for line in said)
    return f"<div>{_table(('layer', 'kind', 'shape', 'place'), rows)}{lines}</div>"


def _op_row(op: Op) -> str:
    shapes = ", ".join("x".join(map(str, s)) or "scalar" for s in op.outputs if s is not None)
    cells = (_code(op.layer), _text(op.kind), _text(shapes), _code(place(op.location, _AS_GIVEN)))
    return _cells(cells)


def _cells(cells: tuple[str, ...]) -> str:
    row = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    return f"<tr>{row}</tr>"


def _table(titles: tuple[str, ...], rows: str) -> str:
    heads = "".join(f'<th style="{_CELL}">{title}</th>' for title in titles)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def table(report: Report) -> str:
    """The findings as rows of a table, below it what could not be checked, and the summary."""
    shown = ""
    if report.findings:
        titles = ("rule", "severity", "layer", "message", "place")
        shown = _table(titles, "".join(map(_row, report.findings)))
    problems = "".join(map(_problem, report.problems))
    said = f'<div style="{_DIM}">{_text(summary(report, _AS_GIVEN))}</div>'
    return f"<div>{shown}{problems}{said}</div>"


def _row(finding: Finding) -> str:
    colour = _COLOURS[finding.severity]
    severity = f'<span style="color:{colour};font-weight:bold">{finding.severity.value}</span>'
    rule = f'<span title="{_text(finding.name)}">{_text(finding.rule)}</span>'
    layer = ".".join(filter(None, (finding.model, finding.layer)))
    more = "".join(f'<div style="{_DIM}">{text}</div>' for text in _more(finding))
    at = _code(place(finding.location, _AS_GIVEN))
    return _cells((rule, severity, _code(layer), _text(finding.message) + more, at))


def _more(finding: Finding) -> Iterator[str]:
    for related in finding.related:
        at = place(related.location, _AS_GIVEN)
        yield _text(f"{related.message} ({at})" if at else related.message)
    if finding.evidence:
        yield f"measured: {_text(finding.evidence.summary)}"
    if finding.fix:
        yield f"fix ({_text(finding.fix.safety)}): {_text(finding.fix.message)}"


def _problem(problem: Problem) -> str:
    word = "not checked" if problem.blocking else "note"
    where = problem_place(problem, _AS_GIVEN)
    hint = f'<div style="{_DIM}">{_text(problem.hint)}</div>' if problem.hint else ""
    said = _text(f"{word} ({problem.kind.value}): {problem.message}{of_model(problem.model)}")
    return f"<div>{_code(where)} {said}{hint}</div>"


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>" if text else ""


def _text(text: str) -> str:
    return escape(plain(text))
