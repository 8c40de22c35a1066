"""``--diff`` and ``--fix``: proved edits, shown or applied."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
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
_UNSAFE = "it would change behaviour or checkpoints; ask for it with --unsafe-fixes"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A diff or a summary of what was changed (for standard error), and the report.

    With ``--diff`` the findings of the report carry their fixes; with ``--fix`` the report is
    about what is left.
    """

    text: str
    report: Report
    note: str = ""


@dataclass(slots=True)
class Progress:
    """The texts so far, the fixes found, and the splices of earlier rounds."""

    texts: Texts
    fixes: dict[Key, Fix] = field(default_factory=dict)
    refused: dict[Key, str] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    history: list[dict[str, list[Splice]]] = field(default_factory=list)


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
        looks = workspace.looks()
        progress = _rounds(workspace, looks, report)
        offered = _offered(workspace, looks, report, progress)
        more = _more(offered)
        if not settings.fix:
            return Outcome(diff(workspace, progress.texts), offered, more)
        written = write(workspace.files, progress.texts)
        left = pipeline.check_whole(settings, workspace.means)[0] if written else report
    note = _note(len(written), progress.held) + more
    return Outcome("", replace(left, refused_fixes=offered.refused_fixes), note)


def _rounds(workspace: Workspace, looks: tuple[Look, ...], report: Report) -> Progress:
    """Rounds of edits on top of each other, until no further edit holds."""
    originals = {path: file.source for path, file in workspace.files.items()}
    progress = Progress(dict(originals))
    wanted = Wanted(workspace, looks, report, progress)
    for _ in range(_ROUNDS):
        found = choose(workspace, looks, progress.texts, wanted)
        progress.refused |= found.refused
        if not found.held:
            break
        _note_fixes(progress, found, originals, looks)
        progress.texts, looks = found.texts, found.looks
    return progress


@dataclass(slots=True)
class Wanted:
    """Which findings to fix: those of the report, and those that appear after edits."""

    workspace: Workspace
    looks: Sequence[Look]
    report: Report
    progress: Progress
    reported: set[Key] = field(default_factory=set)
    held_back: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        shown = {(f.rule, _at(f)) for f in self.report.findings}
        for look, finding in _all(self.looks):
            at = _at(self.workspace.paths.finding(finding))
            known = (finding.rule, at) in shown
            (self.reported if known else self.held_back).add(key_of(look, finding))

    def __call__(self, key: Key, finding: Finding) -> bool:
        """True for a finding to fix; the reason is kept for those that need another flag."""
        if key in self.held_back:
            return False
        if finding.severity is Severity.INFO:
            self.progress.refused[key] = "it is only a hint, so nothing is changed for it"
            return False
        safe = finding.remedy is not None and finding.remedy.safety == "safe"
        if not safe and not self.workspace.settings.unsafe_fixes:
            self.progress.refused[key] = _UNSAFE
            return False
        return True


def _all(looks: Sequence[Look]) -> Iterator[tuple[Look, Finding]]:
    for look in looks:
        for seen in look.seen:
            for finding in seen.findings:
                yield look, finding


def _at(finding: Finding) -> tuple[str, int, int]:
    return finding.location.path, finding.location.line, finding.location.column


def _note_fixes(progress: Progress, found: Round, originals: Texts, looks: Sequence[Look]) -> None:
    """Keeps the edits that held as fixes of the files on disk, if no earlier edit overlaps."""
    step: dict[str, list[Splice]] = {}
    for held in found.held:
        path = os.path.realpath(held.proposal.plan.path)
        step.setdefault(path, []).extend(held.splices)
        back = _back(held.splices, [h.get(path, []) for h in progress.history])
        if back is None:
            continue
        fix = fix_of(replace(held, splices=back), originals[path])
        for member in held.proposal.members:
            progress.fixes.setdefault(key_of(looks[member.look], member.finding), fix)
    progress.held += found.held
    progress.history.append(step)


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


def _offered(
    workspace: Workspace, looks: Sequence[Look], report: Report, progress: Progress
) -> Report:
    """The report with fixes on its findings, and the reasons where there is none."""
    by_place: dict[tuple[str, tuple[str, int, int]], Key] = {}
    for look, finding in _all(looks):
        if finding.remedy is not None:
            place = (finding.rule, _at(workspace.paths.finding(finding)))
            by_place.setdefault(place, key_of(look, finding))
    findings, refused = [], []
    for finding in report.findings:
        key = by_place.get((finding.rule, _at(finding)))
        fix = progress.fixes.get(key) if key else None
        findings.append(replace(finding, fix=fix and _shown(workspace, fix)))
        if key and fix is None and (reason := progress.refused.get(key)):
            refused.append(RefusedFix(finding.rule, finding.layer, finding.location, reason))
    return replace(report, findings=tuple(findings), refused_fixes=tuple(refused))


def _shown(workspace: Workspace, fix: Fix) -> Fix:
    """The fix with its paths as reports show them."""
    edits = tuple(
        replace(e, location=replace(e.location, path=workspace.paths.shown(e.location.path)))
        for e in fix.edits
    )
    return replace(fix, edits=edits)


def diff(workspace: Workspace, texts: Texts) -> str:
    """The unified diff from the files on disk to the texts."""
    parts: list[str] = []
    for path in sorted(texts):
        old, new = workspace.files[path].source, texts[path]
        name = _name(workspace, old)
        lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{name}", f"b/{name}")
        parts += (line if line.endswith("\n") else f"{line}\n{_NO_END}" for line in lines)
    return "".join(parts)


_NO_END = "\\ No newline at end of file\n"


def _lines(text: SourceText) -> list[str]:
    return [text.line(n) for n in range(1, len(text.starts) + 1) if text.line(n)]


def _name(workspace: Workspace, text: SourceText) -> str:
    return Path(workspace.paths.shown(text.path)).as_posix().lstrip("/")


def _more(report: Report) -> str:
    """The sentence about findings that only an unsafe fix may solve; empty without any."""
    count = sum(refused.reason == _UNSAFE for refused in report.refused_fixes)
    fixes = plural(count, "fix", "fixes")
    return f"{fixes} to be tried only with --unsafe-fixes\n" if count else ""


def _note(files: int, held: Sequence[Held]) -> str:
    """What was changed, in a sentence."""
    if not held:
        return "nothing fixed\n"
    counts = Counter(h.proposal.members[0].finding.rule for h in held)
    by_rule = ", ".join(f"{rule} {count}x" for rule, count in sorted(counts.items()))
    return f"fixed {plural(len(held), 'place')} in {plural(files, 'file')}: {by_rule}\n"
