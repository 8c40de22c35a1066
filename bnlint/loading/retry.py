"""What may make a failed import succeed: a local folder that was not on the path, or a stub."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator

from bnlint.domain.errors import in_words
from bnlint.loading.missing.bare_packages import BarePackage
from bnlint.loading.missing.operators import define_operator, without_operator
from bnlint.loading.missing.stubs import Stubs
from bnlint.loading.parsing import Place, Source
from bnlint.loading.sites import file_of, is_local

_ANCESTORS = 6
_NO_NAME = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_NO_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
_NO_PACKAGE = "is not a package"
_IMPORT = re.compile(r"\s*(?:from|import)\s+([\w.]+)")
_ROOT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")


def unblock(error: Exception, source: Source, spot: Place, stubs: Stubs) -> bool:
    """True if the next try will get further: a local folder or a stub was added."""
    if (cause := without_operator(error)) is not None:
        return define_operator(cause, stubs)
    if isinstance(error, ModuleNotFoundError) and error.name:
        if _NO_PACKAGE in str(error):
            return _add_package(error.name, _folder_with(error.name, source.folder))
        return _add_missing(error.name, source, spot, stubs)
    if isinstance(error, ImportError) and (found := _NO_NAME.search(str(error))):
        return _add_name(found[2], found[1], stubs)
    if isinstance(error, AttributeError) and (found := _NO_ATTRIBUTE.search(str(error))):
        return found[1] != "torch" and _add_name(found[1], found[2], stubs)
    return _replace_broken(error, source, spot, stubs)


def _add_missing(name: str, source: Source, spot: Place, stubs: Stubs) -> bool:
    top = name.partition(".")[0]
    own_package = spot.home and top == spot.name.partition(".")[0]
    if own_package or name in stubs.names:
        return False
    known = sys.modules.get(top)
    if known is None and (folder := _folder_of(top, source)):
        return _import_from(folder)
    if known is not None and is_local(file_of(known) or "<none>"):
        return False
    if known is not None and (folder := _folder_with(name, source.folder)):
        forget(top)  # an installed package of the same name was found first
        return _import_from(folder)
    stubs.add(top if known is None and importlib.util.find_spec(top) is None else name)
    for other in (n.partition(".")[0] for n in _names_in(source.tree.body)):  # not under a ``try``
        missing = other not in sys.modules and importlib.util.find_spec(other) is None
        if missing and other not in stubs.names and not _folder_of(other, source):
            stubs.add(other)
    return True


def _add_package(name: str, folder: str) -> bool:
    """True if a folder without ``__init__.py`` is a package now, though a module is called like it.

    Python prefers the module, wherever it is on the path; in a real run its folder is not there.
    """
    top = name.partition(".")[0]
    path = os.path.join(folder, top)
    if not folder or not os.path.isdir(path):
        return False
    forget(top)
    sys.modules[top] = BarePackage(top, path)
    return True


def _add_name(module: str, name: str, stubs: Stubs) -> bool:
    """Replace one name that an installed package of another version lacks."""
    owner = sys.modules.get(module)
    path = file_of(owner)
    if owner is None or is_local(path or "x") or f"{module}.{name}" in stubs.names:
        return False
    stubs.add_attribute(owner, name)
    return True


def _replace_broken(error: Exception, source: Source, spot: Place, stubs: Stubs) -> bool:
    """Replace another package that fails while it is imported, as if it were missing."""
    home = os.path.join(spot.root, spot.name.partition(".")[0]) + os.sep if spot.home else ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == source.path or _is_own(f.filename, home)]
    if not own or own[-1] is frames[-1]:
        return False
    for name in _imported_names(own[-1].line or ""):
        top = name.partition(".")[0]
        kept = (*stubs.names, "torch", spot.name.partition(".")[0])
        if top not in kept and not _folder_of(top, source):
            forget(top)
            stubs.add(top)
            stubs.broken[top] = in_words(error)
            return True
    return False


def _is_own(filename: str, home: str) -> bool:
    """True for the user's code, and for the package the file belongs to where it is installed."""
    return filename.startswith(home) if home else is_local(filename)


def forget(top: str) -> None:
    """Remove a package that failed, and what was loaded of it, from the imported modules."""
    for name in list(sys.modules):
        if name == top or name.startswith(top + "."):
            del sys.modules[name]


def _imported_names(line: str) -> Iterator[str]:
    """The modules that an import statement names, even if it continues in the next line."""
    try:
        yield from _names_in(ast.parse(line.strip()).body)
    except SyntaxError:
        if found := _IMPORT.match(line):
            yield found[1]


def _names_in(body: Iterable[ast.AST]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _import_from(folder: str) -> bool:
    """Import from a folder first; False if that was so before."""
    if folder in sys.path:
        return False
    extend_path(folder)
    return True


def _folder_of(top: str, source: Source) -> str:
    """The folder that holds a package of which the file imports modules; empty if none."""
    below = tuple(n for n in _names_in(ast.walk(source.tree)) if n.startswith(top + "."))
    return _folder_with(top, source.folder, below)


def _folder_with(name: str, folder: str, below: tuple[str, ...] = ()) -> str:
    """The folder at or above ``folder`` that holds a module or package ``name``; empty if none.

    Beside each of them its ``src``, and what the file put on the path relative to it, are searched.
    A package may be a folder that only holds folders, in which a module ``below`` it is found.
    """
    entries = ["", "src", *(entry for entry in sys.path if entry and not os.path.isabs(entry))]
    for _ in range(_ANCESTORS):
        for place in (os.path.normpath(os.path.join(folder, entry)) for entry in entries):
            if any(_is_module(os.path.join(place, *each.split("."))) for each in (name, *below)):
                return place
        if any(os.path.exists(os.path.join(folder, mark)) for mark in _ROOT_MARKS):
            break
        folder = os.path.dirname(folder)  # that of the root is the root
    return ""


def _is_module(path: str) -> bool:
    if os.path.isdir(path) and any(name.endswith(".py") for name in os.listdir(path)):
        return True
    return os.path.isfile(path + ".py")


def extend_path(*folders: str) -> None:
    """Import from these folders first, in this order.

    A folder inside a package must not come before the one that holds the package, wherever that
    is already on the path: ``net/torch/net.py`` is not what ``import net`` means.
    """
    place = 0
    for folder in filter(None, folders):
        if folder not in sys.path:
            sys.path.insert(place, folder)
        place = sys.path.index(folder) + 1
    importlib.invalidate_caches()
