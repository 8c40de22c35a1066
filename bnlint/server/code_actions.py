"""What an editor offers at a finding: ignore it here, or take the fix."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence

from lsprotocol import types
from pygls.uris import from_fs_path
from pygls.workspace import PositionCodec

from bnlint.domain.finding import Finding, Fix
from bnlint.engine.catalogue import LINTER_RULES
from bnlint.report import read_lines
from bnlint.server.diagnostics import SOURCE, Ruler
from bnlint.server.linter import Linted, absolute

_RULE = re.compile(r"[A-Z]+[0-9]+\Z")
_NAMED = re.compile(r"#\s*bnlint\s*:\s*ignore\s*\[[^\]]*(?=\])", re.IGNORECASE)


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
        # Edits of a fix were worked out for the text that was checked, and fit no other.
        if linted is not None and linted.text == text:
            found += _fixes(linted, codec, diagnostic)
        if rule not in LINTER_RULES:
            edit = ignore_edit(text, diagnostic.range.start.line, rule, codec)
            found.append(_action(f"Ignore {rule} here", diagnostic, {uri: [edit]}))
    return found


def ignore_edit(text: str, line: int, rule: str, codec: PositionCodec) -> types.TextEdit:
    """The edit that adds a suppression comment for ``rule`` where it covers the 0-based line."""
    lines = io.StringIO(text).readlines()
    content = lines[line].rstrip("\r\n") if line < len(lines) else ""
    if named := _NAMED.search(content):
        return _insert(lines, line, named.end(), f", {rule}", codec)
    comment = f"# bnlint: ignore[{rule}] -- "
    if _ends_in_code(text, line + 1):
        return _insert(lines, line, len(content.rstrip()), f"  {comment}", codec)
    first = _statement(text, line + 1) - 1
    above = lines[first]
    indent = above[: len(above) - len(above.lstrip())]
    return _insert(lines, first, 0, f"{indent}{comment}\n", codec)


def _insert(
    lines: Sequence[str], line: int, column: int, new: str, codec: PositionCodec
) -> types.TextEdit:
    at = codec.position_to_client_units(lines, types.Position(line, column))
    return types.TextEdit(types.Range(at, at), new)


def _ends_in_code(text: str, line: int) -> bool:
    """False where a comment behind the line would be in a string, or behind a backslash."""
    ends = (tokenize.NEWLINE, tokenize.NL)
    try:
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        return any(t.type in ends and t.start[0] == line for t in tokens)
    except (tokenize.TokenError, SyntaxError):
        return True


def _statement(text: str, line: int) -> int:
    """The first line of the innermost statement that a line belongs to."""
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt))
    around = [n.lineno for n in nodes if n.lineno <= line <= (n.end_lineno or n.lineno)]
    return max(around, default=line)


def _fixes(
    linted: Linted, codec: PositionCodec, diagnostic: types.Diagnostic
) -> Iterator[types.CodeAction]:
    ruler = Ruler(codec, io.StringIO(linted.text).readlines())
    for finding in linted.findings:
        if finding.fix and _is_shown_as(finding, diagnostic, ruler):
            changes = _changes(finding.fix, linted, ruler)
            title = f"Fix {finding.rule}: {finding.fix.message}"
            action = _action(title, diagnostic, changes)
            action.is_preferred = finding.fix.safety == "safe"
            yield action


def _is_shown_as(finding: Finding, diagnostic: types.Diagnostic, ruler: Ruler) -> bool:
    same_rule = finding.rule == diagnostic.code
    return same_rule and ruler.range(finding.location) == diagnostic.range


def _changes(fix: Fix, linted: Linted, ruler: Ruler) -> dict[str, list[types.TextEdit]]:
    changes: dict[str, list[types.TextEdit]] = {}
    for edit in fix.edits:
        path = absolute(edit.location.path)
        own = ruler if path == linted.path else Ruler(ruler.codec, read_lines(path))
        new = types.TextEdit(own.range(edit.location), edit.replacement)
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
