"""A file as it will be imported: its text, its syntax tree, and the name Python gives it."""

from __future__ import annotations

import ast
import importlib.util
import io
import linecache
import os
import sys
from dataclasses import dataclass

from bnlint.domain.finding import Problem, ProblemKind


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The file's own name: hints may be read in any folder, from a cache, too."""
        return os.path.basename(self.path)

    @property
    def folder(self) -> str:
        """The folder the file lies in."""
        return os.path.dirname(self.path)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file stands among packages: the folder to import from and its dotted name.

    ``bare`` holds the packages above it that have no ``__init__.py``, outermost first.
    """

    root: str
    name: str
    bare: tuple[str, ...] = ()

    @property
    def parent(self) -> str:
        """The dotted name of the package that holds the file; empty for a plain file."""
        return self.name.rpartition(".")[0]


def read(path: str, text: str | None = None) -> Source | Problem:
    """The file parsed, or the reason why it cannot be."""
    try:
        if text is None:
            with open(path, "rb") as stream:
                text = importlib.util.decode_source(stream.read())
        else:
            # Positions are read from the lines of an editor's buffer, not from those on the disk.
            linecache.cache[path] = (len(text), None, io.StringIO(text).readlines(), path)
        return Source(path, text, ast.parse(text, path))
    except SyntaxError as error:
        return _syntax(path, error)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        kind, message = ProblemKind.UNREADABLE, f"cannot be read: {error}"
        return Problem(kind, path, message, hint="is it Python source in UTF-8?", blocking=True)


def place(source: Source) -> Place:
    """The package a file belongs to, by ``__init__.py`` files and by its own relative imports."""
    stem = os.path.splitext(os.path.basename(source.path))[0]
    parts, folder = [] if stem == "__init__" else [stem], source.folder
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        parts.insert(0, name)
    bare = 0
    while len(parts) <= relative_levels(source.tree) and os.path.dirname(folder) != folder:
        folder, name = os.path.split(folder)
        parts.insert(0, name)
        bare += 1
    if len(parts) == 1:
        return Place(folder, _free_name(stem, source.path))
    names = tuple(".".join(parts[: i + 1]) for i in range(bare))
    return Place(folder, ".".join(parts), names)


def relative_levels(tree: ast.Module) -> int:
    """The most dots any ``from ... import`` of the file starts with."""
    levels = (n.level for n in ast.walk(tree) if isinstance(n, ast.ImportFrom))
    return max(levels, default=0)


def _free_name(stem: str, path: str) -> str:
    """The stem, unless that would hide a module that something else needs."""
    known = sys.modules.get(stem)
    taken = stem in sys.stdlib_module_names or (
        known is not None and getattr(known, "__file__", None) != path
    )
    return f"_bnlint_{stem}" if taken or not stem.isidentifier() else stem


def _syntax(path: str, error: SyntaxError) -> Problem:
    excerpt = (error.text or "").strip()
    hint = f"`{excerpt}`" if excerpt else "does it need another version of Python?"
    return Problem(
        ProblemKind.SYNTAX_ERROR,
        path,
        f"is not valid Python {sys.version_info[0]}.{sys.version_info[1]}: {error.msg}",
        hint,
        line=error.lineno or 0,
        blocking=True,
    )
