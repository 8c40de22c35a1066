"""What a team knows already: the baseline, read, written and pruned; and the changed lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.config import Settings
from bnlint.domain.version import VERSION
from bnlint.pipeline.paths import Paths

if TYPE_CHECKING:
    from bnlint.findings.baseline import Entry
    from bnlint.findings.changed import Changes


@dataclass(frozen=True, slots=True)
class Known:
    """The entries of the baseline, and what changed; None where that was not asked for."""

    entries: tuple[Entry, ...] | None = None
    changes: Changes | None = None


def read_known(settings: Settings, paths: Paths) -> Known:
    """What findings will be compared with, read before the long part of a run.

    Raises
    ------
    ConfigError, UsageError
        When the baseline file or the revision is off.

    """
    entries, changes = None, None
    if settings.baseline:
        from bnlint.findings.baseline import read_baseline

        entries = read_baseline(Path(settings.baseline))
    if settings.since:
        from bnlint.findings.changed import since

        changes = since(settings.since, paths.cwd)
    return Known(entries, changes)


def write_baseline(settings: Settings) -> str:
    """Write today's findings to the baseline file; what was done, in a sentence.

    Entries of files that were not looked at stay: writing for one folder must not lose another's.
    """
    from bnlint.findings.baseline import entries_of, read_baseline
    from bnlint.findings.baseline import write_baseline as write_file
    from bnlint.pipeline import check

    path, paths = _path(settings), Paths(Path.cwd(), Path(settings.root))
    old = read_baseline(path) if path.exists() else ()
    report = check(replace(settings, baseline="", since=""))
    entries = entries_of(report.findings, paths.rooted)
    looked_at = {m.ref.file for m in report.models} | {f.location.path for f in report.findings}
    rooted = {paths.rooted(file) for file in looked_at}
    kept = [e for e in old if e.file not in rooted and (paths.root / e.file).exists()]
    write_file(path, (*entries, *kept), f"bnlint {VERSION}")
    others = f", {len(kept)} of other files kept" if kept else ""
    return f"{paths.shown(str(path))}: {len(entries)} findings written{others}"


def prune_baseline(settings: Settings) -> str:
    """Drop the entries that are no longer found; what was done, in a sentence.

    Entries of a file that was renamed move to its new name.
    """
    from bnlint.findings.baseline import compare, entries_of, read_baseline
    from bnlint.findings.baseline import write_baseline as write_file
    from bnlint.pipeline import check_whole

    path, paths = _path(settings), Paths(Path.cwd(), Path(settings.root))
    old = read_baseline(path)
    report, whole = check_whole(replace(settings, baseline="", since=""))
    checked = {paths.rooted(p) for p in whole}
    found = compare(report.findings, old, checked, lambda p: (paths.root / p).exists())
    new = {finding.fingerprint for finding in found.new}
    met = entries_of((f for f in report.findings if f.fingerprint not in new), paths.rooted)
    others = [entry for entry in old if entry not in found.met and entry not in found.stale]
    write_file(path, (*met, *others), f"bnlint {VERSION}")
    dropped, kept = len(found.stale), len(met) + len(others)
    return f"{paths.shown(str(path))}: {dropped} entries dropped, {kept} kept"


def _path(settings: Settings) -> Path:
    from bnlint.findings.baseline import FILENAME

    return Path(settings.baseline or Path(settings.root) / FILENAME)
