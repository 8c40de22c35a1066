"""Which lines changed since a git revision, and the findings on them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Finding
from bnlint.domain.graph import Location
from bnlint.domain.phrases import closest

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_EVERYTHING = (1, 1 << 60)

Lines = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Changed lines by absolute real path, as ranges with both ends inside."""

    files: Mapping[str, Lines]

    def touch(self, at: Location, cwd: Path) -> bool:
        """True when a line of the location was changed; of a notebook, any part of it."""
        ranges = self.files.get(str((cwd / at.path).resolve()), ())
        if at.path.endswith(".ipynb"):  # its lines in git are those of its JSON
            return bool(ranges)
        last = max(at.line, at.end_line - (at.end_column == 1) if at.end_line else at.line)
        return any(first <= last and at.line <= end for first, end in ranges)


def since(revision: str, cwd: Path) -> Changes:
    """What changed in the working tree since ``revision``, untracked files included.

    ``main...`` means since the point where this branch left main.

    Raises
    ------
    UsageError
        When ``cwd`` is not in a git repository, or there is no such revision.

    """
    outside = f"{cwd} is in no git repository"
    top = Path(_git(["rev-parse", "--show-toplevel"], cwd, outside).strip())
    base = _commit(revision, cwd)
    diff = _git(["-c", "core.quotePath=false", "diff", *_PLAIN, base, "--"], top, revision)
    files = {str((top / name).resolve()): lines for name, lines in _parse(diff)}
    fresh = _git(["ls-files", "--others", "--exclude-standard", "-z", "--full-name"], top, revision)
    new = {str((top / name).resolve()): (_EVERYTHING,) for name in fresh.split("\0") if name}
    return Changes(files | new)


def changed_only(findings: Iterable[Finding], changes: Changes, cwd: Path) -> tuple[Finding, ...]:
    """The findings whose place, or the place of a related layer, was changed."""

    def changed(finding: Finding) -> bool:
        places = (finding.location, *(r.location for r in finding.related if r.location))
        return any(changes.touch(place, cwd) for place in places)

    return tuple(filter(changed, findings))


_PLAIN = (
    *("-U0", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--diff-filter=d"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules"),
)


def _parse(diff: str) -> Iterable[tuple[str, Lines]]:
    """The new name of every file of a diff, and its changed lines.

    Where lines were only deleted, the lines on both sides of the gap count as changed: a deleted
    norm shows at its neighbours.
    """
    name, in_head = "", False
    ranges: list[tuple[int, int]] = []
    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            if name:
                yield name, tuple(ranges)
            name, ranges, in_head = "", [], True
        elif in_head and line.startswith("+++ "):
            name = _unquoted(line[4:].rstrip("\t"))[2:]
        elif found := _HUNK.match(line):
            in_head = False
            start, count = int(found[1]), int(found[2] or 1)
            ranges.append((start, start + count - 1) if count else (max(start, 1), start + 1))
    if name:
        yield name, tuple(ranges)


def _unquoted(name: str) -> str:
    if not name.startswith('"'):
        return name
    raw = name[1:-1].encode("utf-8", "surrogateescape")
    return raw.decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")


def _commit(revision: str, cwd: Path) -> str:
    """The commit to compare with; UsageError suggests the closest name that exists."""
    name = revision.removesuffix("...")
    if name.startswith("-") or not name:
        raise UsageError(f"--since: '{revision}' is not a revision")
    verify = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    done = _run(verify, cwd)
    if done.returncode:
        known = _run(["for-each-ref", "--format=%(refname:short)"], cwd).stdout.split()
        hint = closest(name, known, most=0) or "in a shallow clone, fetch it first"
        raise UsageError(Mistake(f"--since: there is no revision '{name}'", hint=hint))
    commit = done.stdout.strip()
    if not revision.endswith("..."):
        return commit
    what = f"'{name}' has nothing in common with HEAD"
    return _git(["merge-base", commit, "HEAD"], cwd, what).strip()


def _git(arguments: list[str], cwd: Path, what: str) -> str:
    """The output of a git command; UsageError says ``what`` failed."""
    done = _run(arguments, cwd)
    if done.returncode:
        detail = done.stderr.strip().rpartition("\n")[2].removeprefix("fatal: ")
        raise UsageError(Mistake(f"--since: {what}", hint=detail))
    return done.stdout


def _run(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        raise UsageError("--since needs git, which is not installed") from None
