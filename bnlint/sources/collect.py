"""All arguments together as source files: every file once, in the order of paths."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.sources.expand import FileSearch, Match, clean, expand
from bnlint.sources.source_file import SourceFile, source_file

_MENTIONS = re.compile(r"torch|\bnn\b")


@dataclass(frozen=True, slots=True)
class Sources:
    """The files to check in the order of their paths, and what is not checked.

    ``skipped`` are files that mention neither torch nor nn. ``by_hand`` holds the paths of all
    that was named one by one, also of what could not be read.
    """

    files: tuple[SourceFile, ...] = ()
    skipped: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    by_hand: tuple[str, ...] = ()


@dataclass(slots=True)
class _File:
    """One file while arguments are collected; several of them may name it."""

    path: Path
    module: str = ""
    by_hand: bool = False
    targets: dict[str, None] = field(default_factory=dict)

    def add(self, match: Match) -> None:
        """Take one more argument that names the file into account."""
        self.by_hand |= match.by_hand
        self.module = self.module or match.module
        if match.target:
            self.targets[match.target] = None


def collect(arguments: Sequence[str], search: FileSearch) -> Sources:
    """The source files that the arguments name; what cannot be read becomes a problem.

    An argument is a file, a folder, a glob, ``-``, ``file::Target(...)`` or ``pkg.module::Name``.
    A file is read once however often it is named; named targets win over the whole file.
    """
    found: dict[str, _File] = {}
    results: list[SourceFile | Problem] = []
    by_hand: set[str] = set()
    for argument in arguments:
        if argument == "-":
            if name := _stdin_name(search):
                by_hand.add(name)
                results.append(source_file(name, search.stdin, by_hand=True, buffer=True))
            continue
        matches = expand(argument, search)
        if matches is None:
            by_hand.add(argument)
            results.append(_missing(argument, search))
        for match in matches or ():
            found.setdefault(os.path.realpath(match.path), _File(match.path)).add(match)
    results += [_read(file, search) for file in found.values()]
    by_hand |= {search.shown(file.path) for file in found.values() if file.by_hand}
    return _sorted(results, by_hand)


def _stdin_name(search: FileSearch) -> str:
    """The path that standard input is shown as; empty if that file is excluded."""
    if not search.stdin_filename:
        return "<stdin>"
    path = clean(search.cwd / search.stdin_filename)
    return "" if search.force_exclude and search.excluded(path) else search.shown(path)


def _read(file: _File, search: FileSearch) -> SourceFile | Problem:
    return source_file(
        search.shown(file.path),
        file.path.read_bytes,
        targets=tuple(file.targets),
        by_hand=file.by_hand,
        module=file.module,
    )


def _sorted(results: Sequence[SourceFile | Problem], by_hand: set[str]) -> Sources:
    """The results in the order of paths; files that do not mention torch are skipped."""
    files = sorted((r for r in results if isinstance(r, SourceFile)), key=lambda f: f.path)
    problems = sorted((r for r in results if isinstance(r, Problem)), key=lambda p: p.file)
    checked = tuple(f for f in files if f.targets or f.module or _MENTIONS.search(f.text))
    chosen = {f.path for f in checked}
    skipped = tuple(f.path for f in files if f.path not in chosen)
    return Sources(checked, skipped, tuple(problems), tuple(sorted(by_hand)))


def _missing(argument: str, search: FileSearch) -> Problem:
    """The problem of an argument that names nothing."""
    name, separator, _ = argument.partition("::")
    if (search.cwd / name).exists():
        message, hint = "is neither a file nor a folder", "for a pipe: bnlint - < PIPE"
    elif any(char in name for char in "*?["):
        message, hint = "no file matches this glob", "quote it, or check the folder"
    elif separator and "/" not in name and not name.endswith(".py"):
        message, hint = f"there is no file and no installed module '{name}'", _similar(name, search)
    else:
        message, hint = "there is no such file or folder", _similar(name, search)
    return Problem(ProblemKind.NOT_FOUND, argument, message, hint, blocking=True)


def _similar(name: str, search: FileSearch) -> str:
    """``did you mean …?`` with the most similar name in the same folder."""
    from difflib import get_close_matches

    path = search.cwd / Path(name).expanduser()
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return f"there is no folder {search.shown(path.parent)} either"
    close = get_close_matches(path.name, sorted(names), n=1)
    return f"did you mean '{search.shown(path.parent / close[0])}'?" if close else ""
