"""Workflow commands that GitHub turns into annotations on the changed files."""

from __future__ import annotations

from bnlint.domain.finding import Finding, Problem, Report, Severity
from bnlint.report.options import RenderOptions
from bnlint.report.style import plain

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report, options: RenderOptions) -> str:
    """One command a finding, and one a problem."""
    lines = [_finding(finding, options) for finding in report.findings]
    lines += [_problem(problem, options) for problem in report.problems]
    return "".join(line + "\n" for line in lines)


def _finding(finding: Finding, options: RenderOptions) -> str:
    at = finding.location
    place = {"file": options.relative(at.path), "line": at.line, "col": at.column}
    # The ends must follow the start on the same line, else GitHub drops the columns.
    if at.end_line > at.line:
        place = {"file": place["file"], "line": at.line, "endLine": at.end_line}
    elif at.end_column > at.column:
        place |= {"endColumn": at.end_column}
    title = f"{finding.rule} {finding.name}"
    model = f" [{finding.model}]" if finding.model else ""
    return _command(_LEVELS[finding.severity], place | {"title": title}, finding.message + model)


def _problem(problem: Problem, options: RenderOptions) -> str:
    place: dict[str, object] = {"file": options.relative(problem.file)}
    if problem.line:
        place["line"] = problem.line
    title = f"not checked ({problem.kind.value})" if problem.blocking else problem.kind.value
    text = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    return _command("warning" if problem.blocking else "notice", place | {"title": title}, text)


def _command(level: str, properties: dict[str, object], message: str) -> str:
    fields = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{level} {fields}::{_data(message)}"


def _data(text: str) -> str:
    return "%0A".join(plain(line).replace("%", "%25") for line in text.splitlines())


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
