"""One argument of the command line as the paths that it names."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import has_magic, iglob
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from bnlint.domain.phrases import below
from bnlint.sources.cells import SUFFIX

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

EXCLUDED = frozenset(
    {
        *(".bnlint_cache", ".git", ".hg", ".svn", ".venv", "venv", ".env", "env", ".tox", ".nox"),
        *(".eggs", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints"),
        *("__pycache__", "node_modules", "site-packages", "build", "dist"),
    }
)
"""Folders that are never searched; a file in them can still be named by hand."""

_SUFFIXES = (".py", SUFFIX)
"""Of the files that are searched for; any file can be named by hand."""

_GIT_SECONDS = 20


def read_stdin() -> bytes:
    """All of standard input."""
    return sys.stdin.buffer.read()


@dataclass(frozen=True, slots=True)
class FileSearch:
    """Where to look: ``cwd`` for arguments, ``root`` for excludes (both absolute).

    ``sift`` skips files without a sign of a model even if they are named one by one, as a hook does
    that names all files of a commit.
    """

    cwd: Path
    root: Path
    exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    stdin_filename: str = ""
    stdin: Callable[[], bytes] = read_stdin
    sift: bool = False

    def excluded(self, path: Path) -> bool:
        """True if an exclude matches the path or a folder above it, by name or from the root."""
        if not self.exclude:
            return False
        relative = Path(self.shown(path, self.root))
        parts = [part.as_posix() for part in (relative, *relative.parents)]
        names = {path.name, *parts, *relative.parts}
        return any(fnmatch(name, glob.rstrip("/")) for glob in self.exclude for name in names)

    def shown(self, path: Path, base: Path | None = None) -> str:
        """The path relative to the working directory if it is below, else absolute."""
        return below(path, base or self.cwd)


class Match(NamedTuple):
    """A file that an argument names, and the part after ``::``."""

    path: Path
    by_hand: bool = False
    target: str = ""
    module: str = ""


def expand(argument: str, search: FileSearch) -> list[Match] | None:
    """The files that an argument names; None if there is nothing of that name."""
    name, separator, target = argument.partition("::")
    path = clean(search.cwd / Path(name).expanduser())
    if not _is_possible(path):
        return None
    if path.is_file():
        left_out = search.force_exclude and search.excluded(path)
        return [] if left_out else [Match(path, True, target.strip())]
    if path.is_dir() and not separator:
        return [Match(file) for file in walk(path, search)]
    if has_magic(name):
        found = [clean(Path(text)) for text in iglob(str(path), recursive=True)]
        files = {file: None for each in found for file in walk(each, search)}
        return [Match(file, target=target.strip()) for file in files] if found else None
    if separator and (file := module_file(name, search.cwd)):
        return [Match(file, True, target.strip(), name)]
    return None


def _is_possible(path: Path) -> bool:
    """False for a name that no file can have."""
    try:
        path.lstat()
    except OSError as error:
        return error.errno not in (errno.ENAMETOOLONG, errno.EINVAL)
    except ValueError:
        return False
    return True


def walk(path: Path, search: FileSearch) -> Iterator[Path]:
    """The Python files and notebooks below a folder, or the file itself, without excluded ones."""
    if path.is_file():
        if path.name.endswith(_SUFFIXES) and not search.excluded(path):
            yield path
        return
    ignored = _ignored_by_git(path)

    def kept(path: Path) -> bool:
        return path not in ignored and not search.excluded(path)

    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = [n for n in sorted(folders) if n not in EXCLUDED and kept(here / n)]
        yield from (here / n for n in sorted(names) if n.endswith(_SUFFIXES) and kept(here / n))


def module_file(name: str, cwd: Path) -> Path | None:
    """The file of a module by its dotted name, found without importing it or its packages."""
    parts = name.split(".")
    if not all(map(str.isidentifier, parts)):
        return None
    folders: Sequence[str] | None = [str(cwd), *sys.path]
    spec = None
    for depth in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:depth]), folders)
        if spec is None:
            return None
        folders = spec.submodule_search_locations
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _spec(name: str, folders: Sequence[str] | None) -> ModuleSpec | None:
    """The spec of a module; also from the finders of editable installs."""
    from importlib.machinery import PathFinder

    for finder in (PathFinder, *(f for f in sys.meta_path if f is not PathFinder)):
        find = getattr(finder, "find_spec", None)
        if find and (found := find(name, folders)) is not None:
            return cast("ModuleSpec", found)
    return None


def clean(path: Path) -> Path:
    """The path without ``..``; links are kept, since users know the files by that name."""
    return Path(os.path.normpath(path))


def _ignored_by_git(folder: Path) -> frozenset[Path]:
    """The files and whole folders below ``folder`` that git ignores; none outside a repository."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return frozenset()
    import subprocess

    command = ["git", "-C", str(folder), "ls-files", "--others", "--ignored"]
    command += ["--exclude-standard", "--directory", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return frozenset(folder / name.rstrip("/") for name in names if name)
