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
    """Write today's findings to the baseline file; what was done, in a sentence."""
    from bnlint.pipeline import check

    path = _path(settings)
    paths = Paths(Path.cwd(), Path(settings.root))
    report = check(replace(settings, baseline="", since=""))
    entries = entries_of(report.findings, paths.rooted)
    write_file(path, entries, f"bnlint {VERSION}")
    return f"{paths.shown(str(path))}: {len(entries)} findings written"


def prune_baseline(settings: Settings) -> str:
    """Drop the entries that are no longer found; what was done, in a sentence."""
    from bnlint.pipeline import check_whole

    path = _path(settings)
    paths = Paths(Path.cwd(), Path(settings.root))
    entries = read_baseline(path)
    report, whole = check_whole(replace(settings, baseline="", since=""))
    checked = {paths.rooted(p) for p in whole}
    stale = compare(report.findings, entries, checked, lambda p: (paths.root / p).exists()).stale
    kept = [entry for entry in entries if entry not in stale]
    write_file(path, kept, f"bnlint {VERSION}")
    return f"{paths.shown(str(path))}: {len(stale)} entries dropped, {len(kept)} kept"


def _path(settings: Settings) -> Path:
    return Path(settings.baseline or Path(settings.root) / FILENAME)
