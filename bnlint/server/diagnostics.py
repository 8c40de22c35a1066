"""Findings and problems as an editor shows them, and the actions it offers at them.

Positions are in the units that the editor counts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from lsprotocol import types
from pygls.uris import from_fs_path
from pygls.workspace import PositionCodec

from bnlint.domain.finding import Finding, Fix, Problem, ProblemKind, Related, Severity
from bnlint.domain.graph import Location
from bnlint.engine.catalogue import LINTER_RULES
from bnlint.findings.commenting import insertion
from bnlint.report import read_lines
from bnlint.server.linter import Linted, absolute

SOURCE = "bnlint"
_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}
_WORTH_SHOWING = frozenset({ProblemKind.NOT_BUILT, ProblemKind.UNTRACEABLE})
_UNSAFE = " (unsafe: changes behavior or checkpoints)"
_RULE = re.compile(r"[A-Z]+[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Ruler:
    """Measures places in a text in the editor's units (usually UTF-16)."""

    codec: PositionCodec
    lines: Sequence[str]

    def range(self, at: Location) -> types.Range:
        """The range of a place; one without an end runs to the end of its line."""
        start = types.Position(max(at.line, 1) - 1, max(at.column, 1) - 1)
        if at.end_line:
            end = types.Position(at.end_line - 1, max(at.end_column, 1) - 1)
        else:
            line = self.lines[start.line] if start.line < len(self.lines) else ""
            end = types.Position(start.line, len(line.rstrip()))
        return self.codec.range_to_client_units(self.lines, types.Range(start, end))

    def of_file(self, path: str, own: str) -> Ruler:
        """The ruler of another file, or this one for the document's ``own`` path."""
        return self if path == own else Ruler(self.codec, read_lines(path))


def diagnostics(linted: Linted, codec: PositionCodec) -> list[types.Diagnostic]:
    """What to show in the document."""
    ruler = Ruler(codec, io.StringIO(linted.text).readlines())
    found = [_of_finding(finding, linted, ruler) for finding in linted.findings]
    return [*found, *_of_problems(linted.problems, ruler)]


def _of_finding(finding: Finding, linted: Linted, ruler: Ruler) -> types.Diagnostic:
    link = linted.links.get(finding.rule, "")
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
        place = ruler.of_file(path, linted.path).range(each.location)
        where = types.Location(from_fs_path(path) or "", place)
        yield types.DiagnosticRelatedInformation(where, each.message)


def _of_problems(problems: Sequence[Problem], ruler: Ruler) -> Iterator[types.Diagnostic]:
    """What prevented a check: a document without findings is not always a clean one."""
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


def actions(
    uri: str,
    text: str,
    codec: PositionCodec,
    shown: Sequence[types.Diagnostic],
    linted: Linted | None,
) -> list[types.CodeAction]:
    """The actions for the diagnostics under the cursor, in a document whose text is ``text``."""
    found: list[types.CodeAction] = []
    for diagnostic in shown:
        rule = str(diagnostic.code)
        if diagnostic.source != SOURCE or not _RULE.match(rule):
            continue
        # The edits of a fix are for the text that was checked, and fit no other.
        if linted is not None and linted.text == text:
            found += _fixes(linted, codec, diagnostic)
        if rule not in LINTER_RULES:
            with suppress(ValueError, SyntaxError):  # the text has changed since it was checked
                edit = ignore_edit(text, diagnostic.range.start.line, rule, codec)
                found.append(_action(f"Ignore {rule} here", diagnostic, {uri: [edit]}))
    return found


def ignore_edit(text: str, line: int, rule: str, codec: PositionCodec) -> types.TextEdit:
    """The edit that adds a suppression comment for ``rule`` where it covers the 0-based line."""
    found = insertion(text, line + 1, (rule,))
    lines = io.StringIO(text).readlines()
    place = types.Position(found.line - 1, found.column)
    at = codec.position_to_client_units(lines, place)
    return types.TextEdit(types.Range(at, at), found.text)


def _fixes(
    linted: Linted, codec: PositionCodec, diagnostic: types.Diagnostic
) -> Iterator[types.CodeAction]:
    ruler = Ruler(codec, io.StringIO(linted.text).readlines())
    for finding in linted.findings:
        same = finding.rule == diagnostic.code
        if finding.fix and same and ruler.range(finding.location) == diagnostic.range:
            changes = _changes(finding.fix, linted, ruler)
            safe = finding.fix.safety == "safe"
            title = f"Fix {finding.rule}: {finding.fix.message}{'' if safe else _UNSAFE}"
            action = _action(title, diagnostic, changes)
            action.is_preferred = safe
            yield action


def _changes(fix: Fix, linted: Linted, ruler: Ruler) -> dict[str, list[types.TextEdit]]:
    changes: dict[str, list[types.TextEdit]] = {}
    for edit in fix.edits:
        path = absolute(edit.location.path)
        place = ruler.of_file(path, linted.path).range(edit.location)
        new = types.TextEdit(place, edit.replacement)
        changes.setdefault(from_fs_path(path) or "", []).append(new)
    return changes


def _action(
    title: str, diagnostic: types.Diagnostic, changes: dict[str, list[types.TextEdit]]
) -> types.CodeAction:
    return types.CodeAction(
        title=title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[diagnostic],
        edit=types.WorkspaceEdit(changes=changes),
    )
