"""A file as it will be imported: its text, its syntax tree and the name that Python uses for it."""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import importlib.util
import io
import linecache
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.loading.sites import file_of


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The file's name without folders: hints may be read in any folder, and from a cache."""
        return os.path.basename(self.path)

    @property
    def folder(self) -> str:
        """The folder that holds the file."""
        return os.path.dirname(self.path)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file belongs among packages: the folder to import from and its dotted name.

    ``bare`` holds the packages above it that have no ``__init__.py``, outermost first.
    ``package`` is true for the ``__init__.py`` of one.
    """

    root: str
    name: str
    bare: tuple[str, ...] = ()
    package: bool = False

    @property
    def parent(self) -> str:
        """The dotted name of the package that holds the file; empty for a plain file."""
        return self.name.rpartition(".")[0]

    @property
    def home(self) -> str:
        """The dotted name of the package that relative imports of the file begin in."""
        return self.name if self.package else self.parent


def read(path: str, text: str | None = None) -> Source | Problem:
    """The parsed file, or why it cannot be parsed."""
    try:
        if text is None:
            with open(path, "rb") as stream:
                text = importlib.util.decode_source(stream.read())
        else:
            _remember_lines(path, text)
        return Source(path, text, ast.parse(text, path))
    except SyntaxError as error:
        return _syntax(path, error)
    except (RecursionError, MemoryError):
        kind, message = ProblemKind.UNREADABLE, "has expressions that are nested too deeply"
        return Problem(kind, path, message, hint="Python cannot parse it either", blocking=True)
    except (OSError, ValueError) as error:
        kind, message = ProblemKind.UNREADABLE, f"cannot be read: {error}"
        return Problem(kind, path, message, hint="is it Python source in UTF-8?", blocking=True)


def place(source: Source) -> Place:
    """The package a file belongs to, by ``__init__.py`` files and by its own relative imports."""
    stem = os.path.splitext(os.path.basename(source.path))[0]
    package = stem == "__init__"
    parts, folder = [] if package else [stem], source.folder
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        parts.insert(0, name)
    relative = (n.level for n in ast.walk(source.tree) if isinstance(n, ast.ImportFrom))
    dots, bare = max(relative, default=0), 0
    while len(parts) + package <= dots and os.path.dirname(folder) != folder:
        folder, name = os.path.split(folder)
        parts.insert(0, name)
        bare += 1
    if parts == [os.path.basename(folder)] and _imports_below(parts[0], source.tree):
        folder = os.path.dirname(folder)  # model/model.py imports model.config
        parts, bare = [*parts, *parts], 1
    if len(parts) == 1:
        return Place(folder, _free_name(parts[0], source.path), package=package)
    names = tuple(".".join(parts[: i + 1]) for i in range(bare))
    return Place(folder, ".".join(parts), names, package)


def _imports_below(name: str, tree: ast.Module) -> bool:
    """Whether the file takes a name for a package, which itself is called so."""
    modules = (
        n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level
    )
    plain = (a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names)
    return any(module.startswith(f"{name}.") for module in (*modules, *plain))


@contextlib.contextmanager
def overlaid(texts: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Import these texts instead of the files at their absolute paths: an edit can be tried."""
    known = {os.path.realpath(path): text for path, text in texts}
    if not known:
        yield
        return
    for path, text in known.items():
        _remember_lines(path, text)
    loader: Any = importlib.machinery.SourceFileLoader
    data, stats = loader.get_data, loader.path_stats

    def get_data(self: Any, path: str) -> bytes:
        text = known.get(os.path.realpath(path))
        found: bytes = data(self, path) if text is None else _encoded(text)
        return found

    def path_stats(self: Any, path: str) -> Any:
        if os.path.realpath(path) in known:
            raise OSError("no bytecode is kept for a text that is not on the disk")
        return stats(self, path)

    loader.get_data, loader.path_stats = get_data, path_stats
    try:
        yield
    finally:
        loader.get_data, loader.path_stats = data, stats


def _remember_lines(path: str, text: str) -> None:
    """Look up lines and columns in ``text`` (an editor's buffer, an edit), not on the disk."""
    linecache.cache[path] = (len(text), None, io.StringIO(text).readlines(), path)


def tree_of_file(path: str) -> ast.Module | None:
    """The syntax tree of a file as tracebacks show it; None where it is not Python."""
    try:
        return ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError, RecursionError):
        return None


def _free_name(stem: str, path: str) -> str:
    """The stem, unless it would hide a module that something else needs."""
    other = stem in sys.modules and file_of(sys.modules[stem]) != path
    taken = other or stem in sys.stdlib_module_names
    return f"_bnlint_{stem}" if taken or not stem.isidentifier() else stem


def _syntax(path: str, error: SyntaxError) -> Problem:
    excerpt = (error.text or "").strip()
    hint = f"`{excerpt}`" if excerpt else "does it need another version of Python?"
    kind, version = ProblemKind.SYNTAX_ERROR, "{}.{}".format(*sys.version_info)
    message = f"is not valid Python {version}: {error.msg}"
    return Problem(kind, path, message, hint, line=error.lineno or 0, blocking=True)


def _encoded(text: str) -> bytes:
    """The text as bytes that Python decodes as UTF-8 whatever coding its first lines declare."""
    lines = text.split("\n", 2)
    for number, line in enumerate(lines[:2]):
        if line.lstrip().startswith("#") and "coding" in line:
            lines[number] = "#"  # it may contradict the byte order mark
    return "\n".join(lines).encode("utf-8-sig")
