"""The baseline file brought up to date: new findings written, or old entries dropped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bnlint.config import Settings
from bnlint.domain import VERSION
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Report
from bnlint.domain.phrases import plural
from bnlint.findings.baseline import FILENAME, compare, entries_of, read_baseline, write_entries
from bnlint.pipeline.conclude import Coverage
from bnlint.pipeline.run import check_whole
from bnlint.sources import Paths


def write_baseline(settings: Settings) -> tuple[str, Report]:
    """Write all findings to the baseline file; returns what was done, and the report of the run.

    Entries of files that were not checked, and of rules that were not run, are kept: writing for
    one folder or rule must not lose another's.

    Raises
    ------
    UsageError
        When nothing could be checked; the file is left as it is then.

    """
    path, paths = _path(settings), Paths(Path.cwd(), Path(settings.root))
    old = read_baseline(path) if path.exists() else ()
    report, covered = _checked(settings, path, paths)
    entries = entries_of(report.findings, paths.rooted)
    found = {entry.fingerprint for entry in entries}
    others = [
        e
        for e in old
        if e.fingerprint not in found
        and not covered.could_find(e.file, e.rule)
        and (paths.root / e.file).exists()
    ]
    write_entries(path, (*entries, *others), f"bnlint {VERSION}")
    more = f", {len(others)} of other files or rules kept" if others else ""
    written = plural(len(entries), "finding")
    return f"{paths.shown(str(path))}: {written} written{more}", report


def what_next(settings: Settings) -> str:
    """What to do after writing, so that the next run reports only new findings."""
    paths = Paths(Path.cwd(), Path(settings.root))
    path = _path(settings)
    if settings.origins.get("baseline", "arguments") != "arguments":
        return f"next: commit {paths.shown(str(path))}\n"
    config = settings.config_file or str(Path(settings.root) / "bnlint.toml")
    return (
        f"next: commit {paths.shown(str(path))}, and name it in {paths.shown(config)}:\n"
        f'    baseline = "{paths.rooted(str(path))}"\n'
        f"or run bnlint with --baseline {paths.shown(str(path))}\n"
    )


def prune_baseline(settings: Settings) -> tuple[str, Report]:
    """Drop the entries that are no longer found; returns as :func:`write_baseline` does.

    Entries of a file that was renamed move to its new name.
    """
    path, paths = _path(settings), Paths(Path.cwd(), Path(settings.root))
    old = read_baseline(path)
    report, covered = _checked(settings, path, paths)
    found = compare(report.findings, old, covered.would_find, lambda p: (paths.root / p).exists())
    new = {finding.fingerprint for finding in found.new}
    met = entries_of((f for f in report.findings if f.fingerprint not in new), paths.rooted)
    others = [entry for entry in old if entry not in found.met and entry not in found.stale]
    write_entries(path, (*met, *others), f"bnlint {VERSION}")
    dropped = plural(len(found.stale), "entry", "entries")
    kept = len(met) + len(others)
    return f"{paths.shown(str(path))}: {dropped} dropped, {kept} kept", report


def _checked(settings: Settings, path: Path, paths: Paths) -> tuple[Report, Coverage]:
    """The run that the baseline is compared with; refuses one that could check nothing."""
    report, covered = check_whole(replace(settings, baseline="", since=""))
    if report.unchecked() and not report.models:
        said = [f"{p.file}: {p.message}" for p in report.unchecked()]
        hint = f"{paths.shown(str(path))} is left as it is"
        raise UsageError(*(Mistake(text, hint=hint) for text in said))
    return report, covered.renamed(paths.rooted)


def _path(settings: Settings) -> Path:
    return Path(settings.baseline or Path(settings.root) / FILENAME)
