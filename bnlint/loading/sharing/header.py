"""The imports that a file begins with, as far as they are of installed packages.

Nothing of the file runs before them, so another process may have done them already.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bnlint.cache.dependencies import has_module
from bnlint.domain.finding import Problem
from bnlint.domain.request import TraceRequest
from bnlint.loading.consulted import is_recorded_file
from bnlint.loading.parsing import Place, Source, place, read

_MOST = 1 << 20
"""Characters of a file that is parsed here."""

_LOADED = ("torch", "bnlint", "__future__")


@dataclass(frozen=True, slots=True)
class Header:
    """The imports, each as a statement that imports one thing, in their order.

    ``folders`` come first on the path of the file.
    """

    statements: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def finds_elsewhere(self, names: Iterable[str]) -> bool:
        """True if the file finds one of these top-level modules in a folder of its own."""
        entries = [(folder, _entries(folder)) for folder in self.folders]
        return any(
            has_module(listed, name) and _home_of(name) != folder
            for folder, listed in entries
            for name in names
        )


NOTHING = Header()


def header_of(request: TraceRequest) -> Header:
    """The header of the file of a request; nothing if it may not be run in parts."""
    if request.module or request.overlays or not request.path:
        return NOTHING
    source = _read(request)
    if source is None:
        return NOTHING
    spot = place(source)
    if any(map(_sets_variables, _local_packages(source, spot))):
        return NOTHING
    folders = dict.fromkeys(filter(None, (spot.root, source.folder, *request.search)))
    packages = [f"import {name}" for name in ancestors(spot)]
    own = (s for node in _first_imports(source.tree) for s in statements_of(node, spot.home))
    found = Header(tuple(dict.fromkeys((*packages, *own))), tuple(folders))
    kept = [s for s in found.statements if _is_shared(top_of(s), found)]
    return Header(tuple(kept), found.folders)


def ancestors(spot: Place) -> tuple[str, ...]:
    """The packages that hold a file, outermost first."""
    parts = filter(None, spot.parent.split("."))
    return tuple(itertools.accumulate(parts, "{}.{}".format))


def statements_of(node: ast.stmt, home: str) -> Iterator[str]:
    """An import as statements that import one thing; none if it is not known what it imports.

    ``home`` is the package that relative imports begin in. What is imported from a module is a
    second statement: it may be a module itself, or be made when it is asked for.
    """
    if isinstance(node, ast.Import):
        yield from (f"import {alias.name}" for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        try:
            name = "." * node.level + (node.module or "")
            module = importlib.util.resolve_name(name, home)
        except ImportError:
            return
        yield f"import {module}"
        yield from (f"from {module} import {a.name}" for a in node.names if a.name != "*")


def top_of(statement: str) -> str:
    """The top-level module that a statement imports."""
    return statement.split()[1].partition(".")[0]


def _read(request: TraceRequest) -> Source | None:
    try:
        if request.text is None and os.path.getsize(request.path) > _MOST:
            return None
    except OSError:
        return None
    source = read(request.path, request.text)
    return None if isinstance(source, Problem) else source


def _first_imports(tree: ast.Module) -> Iterator[ast.stmt]:
    """The imports before anything else; a docstring does nothing."""
    for number, node in enumerate(tree.body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif number or not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return


def _local_packages(source: Source, spot: Place) -> Iterator[str]:
    """The ``__init__.py`` files that run before a file, if they are the user's own."""
    folder = source.folder
    for _ in ancestors(spot):
        path = os.path.join(folder, "__init__.py")
        if os.path.isfile(path) and not is_recorded_file(path):
            yield path
        folder = os.path.dirname(folder)


def _sets_variables(path: str) -> bool:
    """True for code that may say how packages are to be imported."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read(_MOST)
    except OSError:
        return True
    return "environ" in text or "sys." in text


def _is_shared(top: str, header: Header) -> bool:
    installed = bool(top) and top not in _LOADED and bool(_home_of(top))
    return installed and not header.finds_elsewhere((top,))


def _home_of(top: str) -> str:
    """The folder that an installed package is imported from; empty for any other module."""
    try:
        spec = importlib.machinery.PathFinder.find_spec(top)
    except (ImportError, ValueError, OSError):
        return ""
    if spec is None:
        return ""
    held = spec.submodule_search_locations
    path = spec.origin or next(iter(held or ()), "")
    if not is_recorded_file(path):
        return ""
    return os.path.dirname(os.path.dirname(path) if held and spec.origin else path)


def _entries(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()
