"""What the search for files takes and gives."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from bnlint.domain.finding import Problem
from bnlint.domain.phrases import below


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to check.

    ``path`` is as reports show it: relative to the working directory with forward slashes when it
    lies below, else absolute. ``digest`` is the SHA-256 of its bytes. ``targets`` are the calls or
    names after ``::``. ``module`` is the dotted name when an installed module was named. ``buffer``
    is true when the text stands in for what is on the disk (standard input, an editor's buffer).
    """

    path: str
    text: str
    digest: str
    targets: tuple[str, ...] = ()
    named_by_hand: bool = False
    module: str = ""
    buffer: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """The files to check in the order of their paths, and what is not checked.

    ``skipped`` are files that mention neither torch nor nn. ``by_hand`` holds the paths of all
    that was named one by one, also where a problem came of it.
    """

    files: tuple[SourceFile, ...] = ()
    skipped: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    by_hand: tuple[str, ...] = ()


def _stdin() -> bytes:
    return sys.stdin.buffer.read()


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look: ``cwd`` for arguments, ``root`` for excludes (both absolute)."""

    cwd: Path
    root: Path
    exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    stdin_filename: str = ""
    stdin: Callable[[], bytes] = _stdin

    def excluded(self, path: Path) -> bool:
        """True when an exclude matches the path or a folder above it, by name or from the root."""
        if not self.exclude:
            return False
        relative = Path(self.shown(path, self.root))
        parts = [part.as_posix() for part in (relative, *relative.parents)]
        names = {path.name, *parts, *relative.parts}
        return any(fnmatch(name, glob.rstrip("/")) for glob in self.exclude for name in names)

    def shown(self, path: Path, base: Path | None = None) -> str:
        """The path relative to the working directory when it lies below, else absolute."""
        return below(path, base or self.cwd)


def clean(path: Path) -> Path:
    """The path without ``..``; links are kept, since users know the files by that name."""
    return Path(os.path.normpath(path))
