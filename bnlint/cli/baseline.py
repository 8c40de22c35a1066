"""``bnlint baseline write`` and ``prune``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bnlint import pipeline
from bnlint.config import Settings
from bnlint.domain.finding import ProblemKind, Report
from bnlint.domain.version import VERSION
from bnlint.findings.baseline import (
    FILENAME,
    Entry,
    compare,
    entries_of,
    read_baseline,
    write_baseline,
)
from bnlint.pipeline.paths import Paths

_INCOMPLETE = frozenset({ProblemKind.NOT_BUILT, ProblemKind.UNTRACEABLE, ProblemKind.OPAQUE_PART})


def write(settings: Settings) -> str:
    """Write the baseline from today's findings; what was done, for people.

    Entries of files that were not looked at stay: writing for one folder must not lose another's.
    """
    path, paths = _path(settings), _paths(settings)
    report = _everything(settings)
    entries = entries_of(report.findings, paths.rooted)
    looked_at = {paths.rooted(file) for file in _files(report)}
    old = read_baseline(path) if path.exists() else ()
    kept = [e for e in old if e.file not in looked_at and (paths.root / e.file).exists()]
    _store(path, (*entries, *kept))
    return f"{path.name}: {len(entries)} findings written, {len(kept)} of other files kept"


def prune(settings: Settings) -> str:
    """Drop the entries that are no longer found; renamed files get their new names."""
    path, paths = _path(settings), _paths(settings)
    old = read_baseline(path)
    report = _everything(settings)
    checked = {paths.rooted(file) for file in _files(report) - _incomplete(report)}
    found = compare(report.findings, old, checked, lambda file: (paths.root / file).exists())
    new = {f.fingerprint for f in found.new}
    known = entries_of((f for f in report.findings if f.fingerprint not in new), paths.rooted)
    gone = {*found.met, *found.stale}
    _store(path, (*known, *(entry for entry in old if entry not in gone)))
    return f"{path.name}: {len(found.stale)} entries dropped, {len(old) - len(found.stale)} kept"


def _everything(settings: Settings) -> Report:
    """The report with nothing held back by a baseline or a revision."""
    return pipeline.check(replace(settings, baseline="", since=""))


def _files(report: Report) -> set[str]:
    """The files of which something was checked."""
    return {m.ref.file for m in report.models} | {f.location.path for f in report.findings}


def _incomplete(report: Report) -> set[str]:
    """The files of which some model could not be checked: nothing is gone for sure there."""
    return {p.file for p in report.problems if p.blocking or p.kind in _INCOMPLETE}


def _path(settings: Settings) -> Path:
    return Path(settings.baseline or Path(settings.root, FILENAME))


def _paths(settings: Settings) -> Paths:
    return Paths(Path.cwd(), Path(settings.root))


def _store(path: Path, entries: Iterable[Entry]) -> None:
    write_baseline(path, entries, f"bnlint {VERSION}")
