"""Findings and problems as an editor shows them; positions in the units the editor counts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol import types
from pygls.uris import from_fs_path
from pygls.workspace import PositionCodec

from bnlint.domain.finding import Finding, Problem, ProblemKind, Related, Severity
from bnlint.domain.graph import Location
from bnlint.report import read_lines
from bnlint.server.linter import Linted, absolute

SOURCE = "bnlint"
_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}
_WORTH_SHOWING = frozenset({ProblemKind.NOT_BUILT, ProblemKind.UNTRACEABLE})


@dataclass(frozen=True, slots=True)
class Ruler:
    """Measures places in a text in the editor's units (UTF-16 as a rule)."""

    codec: PositionCodec
    lines: Sequence[str]

    def range(self, at: Location) -> types.Range:
        """The range of a place; one without an end runs to the end of its line."""
        start = types.Position(max(at.line, 1) - 1, max(at.column, 1) - 1)
        if at.end_line:
            end = types.Position(at.end_line - 1, max(at.end_column, 1) - 1)
        else:
            end = types.Position(start.line, self._width(start.line))
        return self.codec.range_to_client_units(self.lines, types.Range(start, end))

    def _width(self, line: int) -> int:
        return len(self.lines[line].rstrip()) if line < len(self.lines) else 0


def diagnostics(linted: Linted, codec: PositionCodec) -> list[types.Diagnostic]:
    """What to show in the document."""
    ruler = Ruler(codec, io.StringIO(linted.text).readlines())
    found = [_of_finding(finding, linted, ruler) for finding in linted.findings]
    return [*found, *_of_problems(linted.problems, ruler)]


def _of_finding(finding: Finding, linted: Linted, ruler: Ruler) -> types.Diagnostic:
    link = linted.link(finding.rule)
    model = f" [{finding.model}]" if finding.model else ""
    return types.Diagnostic(
        range=ruler.range(finding.location),
        message=f"{finding.message}{model}",
        severity=_SEVERITIES[finding.severity],
        code=finding.rule,
        code_description=types.CodeDescription(link) if link else None,
        source=SOURCE,
        related_information=list(_related(finding.related, linted, ruler)) or None,
    )


def _related(
    related: Sequence[Related], linted: Linted, ruler: Ruler
) -> Iterator[types.DiagnosticRelatedInformation]:
    for each in related:
        if each.location is None:
            continue
        path = absolute(each.location.path)
        own = ruler if path == linted.path else Ruler(ruler.codec, read_lines(path))
        where = types.Location(from_fs_path(path) or "", own.range(each.location))
        yield types.DiagnosticRelatedInformation(where, each.message)


def _of_problems(problems: Sequence[Problem], ruler: Ruler) -> Iterator[types.Diagnostic]:
    """What kept models from being checked: a document without findings is not a clean one."""
    for problem in problems:
        if problem.blocking or problem.kind in _WORTH_SHOWING:
            hint = f"\n{problem.hint}" if problem.hint else ""
            yield types.Diagnostic(
                range=ruler.range(Location(problem.file, problem.line)),
                message=f"not checked: {problem.message}{hint}",
                severity=types.DiagnosticSeverity.Information,
                code=problem.kind.value,
                source=SOURCE,
            )
