"""Workflow commands that GitHub turns into annotations on the changed files."""

from __future__ import annotations

from bnlint.domain.finding import Finding, Problem, Report, Severity
from bnlint.domain.graph import Location
from bnlint.report import Format, RenderOptions
from bnlint.report.lines import in_cell, in_file, of_model, plain, with_hint

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report, options: RenderOptions) -> str:
    """One command per finding and per problem."""
    lines = [_finding(finding, options) for finding in report.findings]
    lines += [_problem(problem, options) for problem in report.problems]
    return "".join(line + "\n" for line in lines)


def _finding(finding: Finding, options: RenderOptions) -> str:
    at = in_file(finding.location)
    place = {"file": options.relative(at.path), "line": at.line, "col": at.column}
    # GitHub drops the columns unless start and end are on the same line.
    if at.end_line > at.line:
        place = {"file": place["file"], "line": at.line, "endLine": at.end_line}
    elif at.end_column > at.column:
        place |= {"endColumn": at.end_column}
    title = f"{finding.rule} {finding.name}"
    message = in_cell(finding.location) + finding.message + of_model(finding.model)
    return _command(_LEVELS[finding.severity], place | {"title": title}, message)


def _problem(problem: Problem, options: RenderOptions) -> str:
    place: dict[str, object] = {"file": options.relative(problem.file)}
    at = Location(problem.file, problem.line, cell=problem.cell)
    if problem.line:
        place["line"] = in_file(at).line
    title = f"not checked ({problem.kind.value})" if problem.blocking else problem.kind.value
    level = "warning" if problem.blocking else "notice"
    return _command(level, place | {"title": title}, in_cell(at) + with_hint(problem))


def _command(level: str, properties: dict[str, object], message: str) -> str:
    fields = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{level} {fields}::{_data(message)}"


def _data(text: str) -> str:
    return "%0A".join(plain(line).replace("%", "%25") for line in text.splitlines())


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMAT = Format(render, complete=True, checkout="GITHUB_WORKSPACE")
