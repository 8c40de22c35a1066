"""``--add-ignores``: a suppression comment with a reason at every finding.

Each file is proved before it is written: its syntax tree is the same, and every comment covers the
finding it was written for.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bnlint import pipeline
from bnlint.config import Settings
from bnlint.domain.errors import FixError, Mistake
from bnlint.domain.finding import Finding, Report
from bnlint.domain.graph import Location
from bnlint.domain.phrases import plural
from bnlint.edits.syntax import SourceText, Splice
from bnlint.engine.catalogue import LINTER_RULES
from bnlint.findings.commenting import Insertion, insertion
from bnlint.findings.comments import ignore_comments
from bnlint.fixes.apply import Outcome
from bnlint.fixes.workspace import Workspace, write


def add_ignores(settings: Settings) -> Outcome:
    """Write the comments; the report of what is left, with a note about what was done.

    Raises
    ------
    FixError
        When a file cannot be changed; nothing is changed then.

    """
    reason = " ".join(settings.add_ignores.split())
    with Workspace(settings) as workspace:
        report, _ = pipeline.check_whole(settings, workspace.means)
        texts, refused = {}, []
        for path, findings in _by_file(report.findings, workspace).items():
            source = workspace.files[path].source
            text, uncovered = commented(source, findings, reason)
            refused += uncovered
            if text != source:
                _check_encoding(text)
                texts[path] = text
        written = write(workspace.files, texts)
        left = pipeline.check_whole(settings, workspace.means)[0] if written else report
    return Outcome("", left, _note(report, left, len(written), refused))


def commented(
    source: SourceText, findings: Iterable[Finding], reason: str
) -> tuple[SourceText, list[Finding]]:
    """The text with a comment at each finding, and the findings that no comment can cover."""
    by_line: dict[int, list[Finding]] = {}
    for finding in findings:
        by_line.setdefault(finding.location.line, []).append(finding)
    refused: list[Finding] = []
    placed: list[Insertion] = []
    for line, here in sorted(by_line.items()):
        rules = sorted({finding.rule for finding in here})
        try:
            found = insertion(source.plain, line, rules, reason)
        except (SyntaxError, ValueError, RecursionError):
            refused += here
            continue
        if _covers(source, [found], here):
            placed.append(found)
        else:
            refused += here
    text = source.spliced(_splices(source, placed))
    return (text, refused) if _is_same_code(source, text) else (source, list(findings))


def _splices(source: SourceText, placed: Sequence[Insertion]) -> list[Splice]:
    """The insertions as splices; those above the same statement come one after the other."""
    merged: dict[tuple[int, int], list[str]] = {}
    for each in placed:
        merged.setdefault((each.line, each.column), []).append(each.text)
    found = []
    for (line, column), texts in merged.items():
        at = source.offset(line, column)
        text = "".join(texts).replace("\n", source.newline)
        found.append(Splice(at, at, text))
    return found


def _covers(source: SourceText, placed: Sequence[Insertion], findings: Sequence[Finding]) -> bool:
    """True if comments of the new text cover all of the findings."""
    text = source.spliced(_splices(source, placed))
    comments = ignore_comments(text.plain)

    def covered(finding: Finding) -> bool:
        at = _moved(finding.location, placed)
        return any(finding.rule in c.rules and c.covers(at) for c in comments)

    return all(map(covered, findings))


def _moved(at: Location, placed: Sequence[Insertion]) -> Location:
    """The place in the new text: a comment above a statement is a line of its own."""
    added = sum(p.line <= at.line for p in placed if p.text.endswith("\n"))
    return replace(at, line=at.line + added, end_line=at.end_line and at.end_line + added)


def _is_same_code(before: SourceText, after: SourceText) -> bool:
    try:
        return ast.dump(ast.parse(before.plain)) == ast.dump(ast.parse(after.plain))
    except (SyntaxError, ValueError, RecursionError):
        return False


def _by_file(findings: Iterable[Finding], workspace: Workspace) -> Mapping[str, list[Finding]]:
    """The findings that a comment can be written for, by the real path of a file of the run."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        path = os.path.realpath(workspace.paths.absolute(finding.location.path))
        at = finding.location
        if path in workspace.files and at.line and not at.cell and finding.rule not in LINTER_RULES:
            found.setdefault(path, []).append(finding)
    return found


def _check_encoding(text: SourceText) -> None:
    try:
        text.encoded()
    except UnicodeEncodeError:
        said = f"is in {text.encoding}, which lacks a character of the reason; nothing was changed"
        raise FixError(Mistake(said, Location(text.path, 1))) from None


def _note(before: Report, left: Report, files: int, refused: Sequence[Finding]) -> str:
    done = len(before.findings) - len(left.findings)
    lines = [f"{plural(done, 'finding')} suppressed in {plural(files, 'file')}"]
    cells = sorted({f.location.path for f in left.findings if f.location.cell})
    if cells:
        lines.append(f"notebooks are not edited: {', '.join(cells)}")
    for finding in refused:
        at = finding.location
        lines.append(f"{at.path}:{at.line}: no comment can cover {finding.rule} here")
    return "".join(f"{line}\n" for line in lines)
