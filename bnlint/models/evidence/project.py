"""The other files of the project that a checked file belongs to, read within limits.

Nothing is imported. Every file and folder that was looked at is remembered, because the result of
the check depends on it.
"""

from __future__ import annotations

import ast
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from bnlint.domain.graph import Location
from bnlint.loading.parsing import Source
from bnlint.loading.sites import is_local
from bnlint.models.evidence.imports import defines, imports_from
from bnlint.sources.cells import SUFFIX, Cells, read_notebook

_FILES, _BYTES, _FOLDERS = 200, 2_000_000, 120
"""How much of a project is read at most: files, their text in all, folders."""
_LARGEST, _LARGEST_NOTEBOOK, _LARGEST_SETTINGS = 300_000, 5_000_000, 60_000
"""Bytes of a file; those of a notebook are mostly images, and larger settings are data."""
_ANCESTORS = 4
_ROOT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_HINTS_OF_ROOT = ("requirements.txt", "README.md", "LICENSE")
"""Files of a project's uppermost folder; the second ones are also found in others."""
_BESIDE = ("tools", "scripts", "tests", "test", "examples", "configs", "config", "experiments")
"""Folders that are searched next to an unmarked project's folder."""
_SKIPPED = frozenset(
    {
        *("node_modules", "site-packages", "build", "dist", "venv", "env"),
        *("data", "datasets", "docs", "doc", "assets", "images", "figures", "checkpoints", "logs"),
    }
)
_CALLERS = ("train", "main", "run", "test", "eval", "demo", "infer", "predict", "build", "example")
"""How files that build models are called."""
_SETTINGS = (".yaml", ".yml", ".json")


@dataclass(slots=True)
class Project:
    """The files around ``home``, the nearest and likeliest first; each is read at most once."""

    home: str
    own: str = ""
    _paths: list[str] | None = None
    _texts: dict[str, str] = field(default_factory=dict)
    _parsed_files: dict[str, Source | None] = field(default_factory=dict)
    _cells: dict[str, Cells] = field(default_factory=dict)
    _read: int = 0

    def mentioning(self, *words: str) -> Iterator[Source]:
        """Python files and notebooks that contain one of the words, parsed."""
        for path in self._of_type(".py", SUFFIX):
            text = self._text(path)
            if any(word in text for word in words):
                found = self._parsed(path, text)
                if found is not None:
                    yield found

    def called(self, stem: str) -> Iterator[Source]:
        """Python files with this name, parsed."""
        for path in self._of_type(".py"):
            if os.path.splitext(os.path.basename(path))[0] == stem:
                found = self._parsed(path, self._text(path))
                if found is not None:
                    yield found

    def importing(self, name: str) -> Iterator[Source]:
        """Those of the files that import the name from the checked file, or from its package."""
        for text in self.mentioning(name):
            if not defines(text, name) and imports_from(text, self.own, name):
                yield text

    def placed(self, at: Location) -> Location:
        """The place itself, or in its cell if it is in the plain text of a notebook."""
        if at.path not in self._cells:
            return at
        cell, line = self._cells[at.path].place(at.line)
        return Location(at.path, line, at.column, cell=cell)

    def settings(self) -> Iterator[tuple[str, str]]:
        """The path and the text of each file of settings."""
        for path in self._of_type(*_SETTINGS):
            if text := self._text(path):
                yield path, text

    def _of_type(self, *suffixes: str) -> Iterator[str]:
        if self._paths is None:
            self._paths = sorted(self._walk(), key=self._rank)
        yield from (path for path in self._paths if path.endswith(suffixes))

    def _walk(self) -> Iterator[str]:
        """Files of the project, breadth first: those of the file's own folder come first."""
        wanted = (".py", SUFFIX, *_SETTINGS)
        todo, seen = deque(self._starts()), set[str]()
        while todo and len(seen) < _FOLDERS:
            folder, deep = todo.popleft()
            if folder in seen:
                continue
            seen.add(folder)
            for name in self._names(folder):
                path = os.path.join(folder, name)
                if name.endswith(wanted):
                    if path != self.own and os.path.isfile(path):
                        yield path
                elif deep and not _is_skipped(name) and os.path.isdir(path):
                    todo.append((path, True))

    def _starts(self) -> Iterator[tuple[str, bool]]:
        """Folders to search, and whether to search what is below them."""
        yield self.home, True
        if root := _root(self.home):
            yield root, True
            return
        parent = os.path.dirname(self.home)  # no mark of a project: look around with care
        yield parent, False
        yield from ((os.path.join(parent, name), True) for name in _BESIDE)

    def _names(self, folder: str) -> list[str]:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            return []
        return names

    def _rank(self, path: str) -> tuple[bool, bool, int, str]:
        """Files that build models first, then by the number of steps between the folders."""
        stem = os.path.splitext(os.path.basename(path))[0].lower()
        calls = any(word in stem for word in _CALLERS)
        steps = os.path.relpath(os.path.dirname(path), self.home).count(os.sep)
        return path.endswith(SUFFIX), not calls, steps, path

    def _text(self, path: str) -> str:
        if path not in self._texts:
            self._texts[path] = self._open(path)
        return self._texts[path]

    def _parsed(self, path: str, text: str) -> Source | None:
        if path not in self._parsed_files:
            try:
                found = Source(path, text, ast.parse(text, path)) if text else None
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                found = None
            self._parsed_files[path] = found
        return self._parsed_files[path]

    def _open(self, path: str) -> str:
        """The text of a file; empty if it cannot be read, is large, or enough was read."""
        if len(self._texts) >= _FILES or self._read >= _BYTES:
            return ""
        largest = _LARGEST_NOTEBOOK if path.endswith(SUFFIX) else _LARGEST
        largest = _LARGEST_SETTINGS if path.endswith(_SETTINGS) else largest
        try:
            if os.path.getsize(path) > largest:
                return ""
            with open(path, "rb") as stream:
                text = self._decoded(path, stream.read())
        except (OSError, ValueError):
            return ""
        self._read += len(text)
        return text

    def _decoded(self, path: str, data: bytes) -> str:
        """The text of a file, or the code of a notebook, whose cells are remembered."""
        if not path.endswith(SUFFIX):
            return data.decode("utf-8", errors="replace")
        notebook = read_notebook(data)
        self._cells[path] = Cells(notebook.starts)
        return notebook.text


def _root(home: str) -> str:
    """The uppermost folder of the project; empty if nothing marks one.

    Without a sure mark it is the highest of the likely ones that follow each other upwards, but no
    folder that holds several projects.
    """
    above = [home]
    for _ in range(_ANCESTORS):
        above.append(os.path.dirname(above[-1]))
    if marked := next((f for f in above if _has_any(f, _ROOT_MARKS)), ""):
        return marked
    root = ""
    for folder in above:
        likely = _has_any(folder, _HINTS_OF_ROOT)
        if root and (not likely or _holds_projects(folder)):
            break
        root = folder if likely else root
    return root


def _holds_projects(folder: str) -> bool:
    """True for a folder without code of its own that holds more than one project."""
    try:
        inner = [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return False
    if any(path.endswith(".py") for path in inner):
        return False
    return sum(_has_any(path, _HINTS_OF_ROOT) for path in inner if os.path.isdir(path)) > 1


def _has_any(folder: str, names: tuple[str, ...]) -> bool:
    return any(os.path.exists(os.path.join(folder, name)) for name in names)


def _is_skipped(name: str) -> bool:
    return name.startswith((".", "_")) or name.lower() in _SKIPPED


def project_of(source: Source) -> Project | None:
    """The project of a checked file, the same each time; None for an installed file or a text."""
    if not (source.folder and is_local(source.path)):
        return None
    return _project(source.folder, source.path)


@lru_cache(maxsize=4)
def _project(home: str, own: str) -> Project:
    return Project(home, own)
