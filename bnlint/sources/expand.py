"""What one argument stands for, as paths."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import iglob
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.sources.ignored import ignored_by_git
from bnlint.sources.types import Search, clean

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

_WILD = re.compile(r"[*?\[]")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class Match:
    """A file that an argument stands for."""

    path: Path
    by_hand: bool = False
    target: str = ""
    module: str = ""


def expand(argument: str, search: Search) -> list[Match] | None:
    """The files an argument stands for; None when there is nothing of that name."""
    name, separator, target = argument.partition("::")
    path = clean(search.cwd / Path(name).expanduser())
    if path.is_file():
        left_out = search.force_exclude and search.excluded(path)
        return [] if left_out else [Match(path, True, target.strip())]
    if path.is_dir() and not separator:
        return [Match(file) for file in walk(path, search)]
    if _WILD.search(name):
        found = [clean(Path(text)) for text in iglob(str(path), recursive=True)]
        files = {file: None for each in found for file in walk(each, search)}
        return [Match(file, target=target.strip()) for file in files] if found else None
    if separator and (file := module_file(name, search.cwd)):
        return [Match(file, True, target.strip(), name)]
    return None


def walk(path: Path, search: Search) -> Iterator[Path]:
    """The Python files below a folder (or the file itself), less those excluded or ignored."""
    if path.is_file():
        if path.suffix == ".py" and not search.excluded(path):
            yield path
        return
    ignored = ignored_by_git(path)
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = [name for name in sorted(folders) if _enter(here / name, search, ignored)]
        for name in sorted(names):
            file = here / name
            if name.endswith(".py") and file not in ignored and not search.excluded(file):
                yield file


def _enter(folder: Path, search: Search, ignored: frozenset[Path]) -> bool:
    return folder.name not in EXCLUDED and folder not in ignored and not search.excluded(folder)


def module_file(name: str, cwd: Path) -> Path | None:
    """The file of a module by its dotted name, found without importing it or its packages."""
    if not _DOTTED.fullmatch(name):
        return None
    folders: Sequence[str] | None = [str(cwd), *sys.path]
    spec = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:depth]), folders)
        if spec is None:
            return None
        folders = spec.submodule_search_locations
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _spec(name: str, folders: Sequence[str] | None) -> ModuleSpec | None:
    """The spec of a module; finders of editable installs are asked too."""
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec(name, folders)
    if found is None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            found = find(name, folders) if find and finder is not PathFinder else None
            if found is not None:
                break
    return found
