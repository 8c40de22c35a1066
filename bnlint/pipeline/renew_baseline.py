"""The baseline file, brought up to date: today's findings written, those that are gone dropped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bnlint.config import Settings
from bnlint.domain import VERSION
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Report
from bnlint.domain.phrases import plural
from bnlint.findings.baseline import FILENAME, compare, entries_of, read_baseline
from bnlint.findings.baseline import write_baseline as write_file
from bnlint.pipeline.run import check_whole
from bnlint.sources import Paths


@dataclass(frozen=True, slots=True)
class Kept:
    """What was done with the baseline file, in a sentence, and the report of the run for it."""

    said: str
    report: Report


def write_baseline(settings: Settings) -> Kept:
    """Write today's findings to the baseline file.

    Entries of files that were not looked at, and of rules that were left out, stay: writing for
    one folder or rule must not lose another's.

    Raises
    ------
    UsageError
        When nothing could be checked; the file is left as it is then.

    """
    path, paths = _path(settings), Paths(Path.cwd(), Path(settings.root))
    old = read_baseline(path) if path.exists() else ()
    report, covered = check_whole(replace(settings, baseline="", since=""))
    _something(report, path, paths)
    entries = entries_of(report.findings, paths.rooted)
    found = {entry.fingerprint for entry in entries}
    could_find = covered.renamed(paths.rooted).could_find
    others = [
        e
        for e in old
        if e.fingerprint not in found
        and not could_find(e.file, e.rule)
        and (paths.root / e.file).exists()
    ]
    write_file(path, (*entries, *others), f"bnlint {VERSION}")
    more = f", {len(others)} of other files or rules kept" if others else ""
    written = plural(len(entries), "finding")
    return Kept(f"{paths.shown(str(path))}: {written} written{more}", report)


def prune_baseline(settings: Settings) -> Kept:
    """Drop the entries that are no longer found.

    Entries of a file that was renamed move to its new name.
    """
    path, paths = _path(settings), Paths(Path.cwd(), Path(settings.root))
    old = read_baseline(path)
    report, covered = check_whole(replace(settings, baseline="", since=""))
    _something(report, path, paths)
    would_find = covered.renamed(paths.rooted).would_find
    found = compare(report.findings, old, would_find, lambda p: (paths.root / p).exists())
    new = {finding.fingerprint for finding in found.new}
    met = entries_of((f for f in report.findings if f.fingerprint not in new), paths.rooted)
    others = [entry for entry in old if entry not in found.met and entry not in found.stale]
    write_file(path, (*met, *others), f"bnlint {VERSION}")
    dropped, kept = len(found.stale), len(met) + len(others)
    entries = "1 entry" if dropped == 1 else f"{dropped} entries"
    return Kept(f"{paths.shown(str(path))}: {entries} dropped, {kept} kept", report)


def _something(report: Report, path: Path, paths: Paths) -> None:
    """Refuse to write what a run found that could look at nothing, such as one with a slip."""
    if report.unchecked() and not report.models:
        said = [f"{p.file}: {p.message}" for p in report.unchecked()]
        hint = f"{paths.shown(str(path))} is left as it is"
        raise UsageError(*(Mistake(text, hint=hint) for text in said))


def _path(settings: Settings) -> Path:
    return Path(settings.baseline or Path(settings.root) / FILENAME)
