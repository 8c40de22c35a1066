"""Writing and pruning the baseline: a run without one, and its findings kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bnlint.config import Settings
from bnlint.domain.version import VERSION
from bnlint.findings.baseline import (
    FILENAME,
    compare,
    entries_of,
    read_baseline,
)
from bnlint.findings.baseline import write_baseline as write_file
from bnlint.pipeline.paths import Paths


def write_baseline(settings: Settings) -> str:
    """Write today's findings to the baseline file; what was done, in a sentence.

    Entries of files that were not looked at stay: writing for one folder must not lose another's.
    """
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
    return Path(settings.baseline or Path(settings.root) / FILENAME)
