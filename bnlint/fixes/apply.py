"""``--diff`` and ``--fix``: proved edits, shown or applied."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from bnlint import pipeline
from bnlint.config import Settings
from bnlint.domain.finding import Finding, Fix, RefusedFix, Report, Severity
from bnlint.domain.phrases import plural
from bnlint.edits.syntax import SourceText, Splice, load_libcst, unspliced
from bnlint.fixes.choose import Held, Round, choose, fix_of
from bnlint.fixes.propose import Key, key_of
from bnlint.fixes.workspace import Look, Texts, Workspace, write

_ROUNDS = 10
"""Enough for edits that must wait for others; more rounds would be a cycle."""
_NO_END = "\\ No newline at end of file\n"
_UNSAFE = "it would change behaviour or checkpoints; ask for it with --unsafe-fixes"

Place = tuple[str, str, int, int]
"""A finding as a report shows it: rule, path, line, column."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A diff or a summary of what was changed (for standard error), and the report.

    With ``--diff`` the findings of the report carry their fixes; with ``--fix`` the report is
    about what is left.
    """

    text: str
    report: Report
    note: str = ""


def run(settings: Settings, executor: Executor | None = None) -> Outcome:
    """The proved fixes of everything that ``settings.paths`` name, shown or applied.

    The files are spread over an ``executor``, as :func:`bnlint.pipeline.check` does.

    Raises
    ------
    FixError
        When libcst is missing, or a file cannot be changed; nothing is changed then.

    """
    load_libcst()
    with Workspace(settings, executor) as workspace:
        report, _ = pipeline.check_whole(settings, workspace.means)
        if not any(f.remedy for f in report.findings):
            return Outcome("", report, "nothing to fix\n" if settings.fix else "")
        progress = Progress(workspace, report, workspace.looks())
        progress.rounds()
        offered = progress.offered()
        more = _more(offered) + _by_hand(report)
        if not settings.fix:
            return Outcome(diff(workspace, progress.texts), offered, more)
        written = write(workspace.files, progress.texts)
        left = pipeline.check_whole(settings, workspace.means)[0] if written else report
    note = _note(len(written), progress.held) + more
    return Outcome("", replace(left, refused_fixes=offered.refused_fixes), note)


class Progress:
    """The texts so far, the fixes found, and the splices of earlier rounds."""

    def __init__(self, workspace: Workspace, report: Report, looks: tuple[Look, ...]) -> None:
        self.workspace, self.report, self.looks = workspace, report, looks
        self.originals = {path: file.source for path, file in workspace.files.items()}
        self.texts: Texts = self.originals
        self.fixes: dict[Key, Fix] = {}
        self.refused: dict[Key, str] = {}
        self.held: list[Held] = []
        self.history: list[dict[str, list[Splice]]] = []
        self.hidden: set[Key] = set()  # what the report does not show: comments, a baseline
        self.by_place: dict[Place, Key] = {}
        shown = set(map(_place, self.report.findings))
        for look in self.looks:
            for finding in (f for seen in look.seen for f in seen.findings):
                place, key = _place(self.workspace.paths.finding(finding)), key_of(look, finding)
                if place not in shown:
                    self.hidden.add(key)
                if finding.remedy is not None:
                    self.by_place.setdefault(place, key)

    def rounds(self) -> None:
        """Rounds of edits on top of each other, until no further edit holds."""
        looks = self.looks
        for _ in range(_ROUNDS):
            found = choose(self.workspace, looks, self.texts, self.wanted)
            self.refused |= found.refused
            if not found.held:
                break
            self._note_fixes(found, looks)
            self.texts, looks = found.texts, found.looks

    def wanted(self, key: Key, finding: Finding) -> bool:
        """True for a finding to fix; the reason is kept for those that need another flag."""
        if key in self.hidden:
            return False
        if finding.severity is Severity.INFO:
            self.refused[key] = "it is only a hint, so nothing is changed for it"
            return False
        safe = finding.remedy is not None and finding.remedy.safety == "safe"
        if not safe and not self.workspace.settings.unsafe_fixes:
            self.refused[key] = _UNSAFE
            return False
        return True

    def _note_fixes(self, found: Round, looks: Sequence[Look]) -> None:
        """Keeps the edits that held as fixes of the files on disk, if no earlier edit overlaps."""
        step: dict[str, list[Splice]] = {}
        for held in found.held:
            path = os.path.realpath(held.proposal.plan.path)
            step.setdefault(path, []).extend(held.splices)
            back = _back(held.splices, [h.get(path, []) for h in self.history])
            if back is None:
                continue
            fix = fix_of(replace(held, splices=back), self.originals[path])
            for member in held.proposal.members:
                self.fixes.setdefault(key_of(looks[member.look], member.finding), fix)
        self.held += found.held
        self.history.append(step)

    def offered(self) -> Report:
        """The report with fixes on its findings, and the reasons where there is none."""
        findings, refused = [], []
        for finding in self.report.findings:
            key = self.by_place.get(_place(finding))
            fix = self.fixes.get(key) if key else None
            findings.append(replace(finding, fix=fix and self._shown(fix)))
            if key and fix is None and (reason := self.refused.get(key)):
                refused.append(RefusedFix(finding.rule, finding.layer, finding.location, reason))
        return replace(self.report, findings=tuple(findings), refused_fixes=tuple(refused))

    def _shown(self, fix: Fix) -> Fix:
        shown = self.workspace.paths.shown
        places = (replace(e.location, path=shown(e.location.path)) for e in fix.edits)
        edits = (replace(e, location=at) for e, at in zip(fix.edits, places, strict=True))
        return replace(fix, edits=tuple(edits))


def _place(finding: Finding) -> Place:
    return finding.rule, finding.location.path, finding.location.line, finding.location.column


def _back(
    splices: Sequence[Splice], history: Sequence[Sequence[Splice]]
) -> tuple[Splice, ...] | None:
    """The splices in terms of the text before all that was done; None where they touch that."""
    current = list(splices)
    for step in reversed(history):
        before = [unspliced(s, step) for s in current]
        if not all(before):
            return None
        current = [s for s in before if s]
    return tuple(current)


def diff(workspace: Workspace, texts: Texts) -> str:
    """The unified diff from the files on disk to the texts."""
    parts: list[str] = []
    for path in sorted(texts):
        old, new = workspace.files[path].source, texts[path]
        name = Path(workspace.paths.shown(old.path)).as_posix().lstrip("/")
        lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{name}", f"b/{name}")
        parts += (line if line.endswith("\n") else f"{line}\n{_NO_END}" for line in lines)
    return "".join(parts)


def _lines(text: SourceText) -> list[str]:
    return [text.line(n) for n in range(1, len(text.starts) + 1) if text.line(n)]


def _more(report: Report) -> str:
    """The sentence about findings that only an unsafe fix may solve; empty without any."""
    count = sum(refused.reason == _UNSAFE for refused in report.refused_fixes)
    fixes = plural(count, "more fix", "more fixes")
    return f"{fixes} can be tried with --unsafe-fixes\n" if count else ""


def _by_hand(report: Report) -> str:
    """The sentence about notebooks with findings that a fix exists for; empty without any."""
    paths = {f.location.path for f in report.findings if f.remedy and f.location.cell}
    return f"notebooks are not edited: {', '.join(sorted(paths))}\n" if paths else ""


def _note(files: int, held: Sequence[Held]) -> str:
    if not held:
        return "nothing fixed\n"
    counts = Counter(h.proposal.members[0].finding.rule for h in held)
    by_rule = ", ".join(f"{rule} {count}x" for rule, count in sorted(counts.items()))
    return f"fixed {plural(len(held), 'place')} in {plural(files, 'file')}: {by_rule}\n"
