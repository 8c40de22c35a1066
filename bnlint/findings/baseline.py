"""Findings that a team accepts for now, in a file that people can read and merge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from bnlint.domain.errors import ConfigError, Mistake
from bnlint.domain.finding import Finding, Problem, ProblemKind
from bnlint.domain.graph import Location

VERSION = 1
FILENAME = "bnlint-baseline.json"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One known finding; only the fingerprint counts, the rest is for people and for renames."""

    file: str
    rule: str
    model: str
    layer: str
    message: str
    fingerprint: str


_KEYS = tuple(field.name for field in fields(Entry))


class Compared(NamedTuple):
    """New findings, the entries that were found again, and those that are gone."""

    new: tuple[Finding, ...]
    met: tuple[Entry, ...]
    stale: tuple[Entry, ...]


def compare(
    findings: Iterable[Finding],
    entries: Iterable[Entry],
    would_find: Callable[[str, str], bool],
    exists: Callable[[str], bool],
) -> Compared:
    """The findings compared with the entries that are to suppress them.

    ``would_find`` decides whether this run would have found again what a rule finds in a file, and
    ``exists`` whether a file still exists; both take paths as entries have them. An entry of
    another file, or of a rule that was not run or could not decide, is neither met nor stale. An
    entry whose file is gone matches a finding of the same rule, model and layer elsewhere: the
    file was renamed.
    """
    left = {entry.fingerprint: entry for entry in entries}
    met: list[Entry] = []
    new: list[Finding] = []
    for finding in findings:
        entry = left.pop(finding.fingerprint, None)
        met.append(entry) if entry else new.append(finding)
    lost = [entry for entry in left.values() if not exists(entry.file)]
    new, moved = _renamed(new, lost)
    met += moved
    stale = (e for e in left.values() if e in lost or would_find(e.file, e.rule))
    gone = sorted(e for e in stale if e not in moved)
    return Compared(tuple(new), tuple(sorted(met)), tuple(gone))


def entries_of(findings: Iterable[Finding], relative: Callable[[str], str]) -> tuple[Entry, ...]:
    """The entries that suppress these findings, sorted."""
    entries = (
        Entry(relative(f.location.path), f.rule, f.model, f.layer, f.message, f.fingerprint)
        for f in findings
    )
    return tuple(sorted(entries))


def stale_problems(stale: Iterable[Entry], path: str) -> tuple[Problem, ...]:
    """A problem for each entry that is no longer found."""
    hint = "bnlint baseline prune drops such entries"
    said = (f"{e.rule} in {e.file} ({e.model}: {e.layer}) is no longer found" for e in stale)
    return tuple(Problem(ProblemKind.BASELINE, path, message, hint) for message in said)


def read_baseline(path: Path) -> tuple[Entry, ...]:
    """The entries of a baseline file.

    Raises
    ------
    ConfigError
        When the file is missing, or is not a baseline.

    """
    shown = path.name
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "write one with: bnlint baseline write PATH..."
        raise ConfigError(Mistake(f"there is no baseline file {path}", hint=hint)) from None
    except json.JSONDecodeError as error:
        place = Location(shown, error.lineno, error.colno)
        hint = "fix it (a merge may have left conflict markers), or write it again"
        raise ConfigError(Mistake(f"not valid JSON: {error.msg}", place, hint=hint)) from None
    except (OSError, ValueError, RecursionError) as error:  # not UTF-8, too deep, too many digits
        raise ConfigError(f"the baseline file {path} cannot be read: {error}") from None
    return _entries(data, shown)


def write_entries(path: Path, entries: Iterable[Entry], tool: str) -> None:
    """Write the entries sorted, one per line, so that merges and reviews are easy."""
    rows = (json.dumps(asdict(entry), ensure_ascii=False) for entry in sorted(set(entries)))
    lines = [f"    {row}" for row in rows]
    body = "[\n" + ",\n".join(lines) + "\n  ]" if lines else "[]"
    text = f'{{\n  "version": {VERSION},\n  "tool": {json.dumps(tool)},\n  "findings": {body}\n}}\n'
    try:
        draft = path.with_name(path.name + ".new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None


def _renamed(new: list[Finding], lost: list[Entry]) -> tuple[list[Finding], list[Entry]]:
    """The findings that stay new, and the lost entries that the others meet."""
    waiting: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in sorted(lost):
        waiting.setdefault((entry.rule, entry.model, entry.layer), []).append(entry)
    still: list[Finding] = []
    moved: list[Entry] = []
    for finding in new:
        if entries := waiting.get((finding.rule, finding.model, finding.layer)):
            moved.append(entries.pop(0))
        else:
            still.append(finding)
    return still, moved


def _entries(data: Any, shown: str) -> tuple[Entry, ...]:
    data = data if isinstance(data, dict) else {}
    version, rows = data.get("version"), data.get("findings")
    if isinstance(version, int) and version > VERSION:
        said = f"{shown} has version {version}, and this bnlint reads up to {VERSION}"
        raise ConfigError(Mistake(said, hint="update bnlint, or write the baseline again"))
    if version != VERSION or not isinstance(rows, list):
        raise ConfigError(
            Mistake(
                f"{shown} is not a baseline file",
                hint="write it again with `bnlint baseline write`",
            )
        )
    try:
        return tuple(Entry(*(str(row[key]) for key in _KEYS)) for row in rows)
    except (KeyError, TypeError):
        hint = f"each needs: {', '.join(_KEYS)}"
        raise ConfigError(Mistake(f"{shown}: an entry is not complete", hint=hint)) from None
