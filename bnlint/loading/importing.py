"""A user's file as a module: with local folders on the path and stubs for what is not installed.

For child processes only: folders added to ``sys.path`` stay there.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import itertools
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.loading.parsing import Place, Source, place
from bnlint.loading.retry import extend_path, forget, unblock
from bnlint.loading.sites import is_local
from bnlint.loading.stubs import Stubs
from bnlint.loading.user_code import blame, line_in

_RETRIES = 40
_MAGICS = re.compile(r"\bget_ipython\(\)\.(run_line_magic|run_cell_magic|system|getoutput|magic)\(")


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that was imported, and the stubs that it needed; close them before tracing.

    ``bare`` names the package that was entered without its own ``__init__.py``, or is empty.
    """

    module: ModuleType
    stubs: Stubs
    bare: str = ""


def import_source(source: Source, search: tuple[str, ...] = ()) -> Imported | Problem:
    """The file's module, or why it cannot be imported.

    A package that is not installed is replaced by a stub; a local module that is found in a
    folder above the file is imported from there; only the user can supply a missing part of the
    file's own package.
    """
    spot, stubs, bare = place(source), Stubs(), ""
    extend_path(spot.root, source.folder, *search)
    last: BaseException | None = None
    for _ in range(_RETRIES):
        try:
            return Imported(_load(source, spot), stubs, bare)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the file's own
            last = error
            if isinstance(error, Exception) and unblock(error, source, spot, stubs):
                continue
            reached = not isinstance(error, Exception) or line_in(error, source.path)
            if bare or reached or not spot.parent:
                break
            bare, *parts = spot.name.split(".")[:-1]
            forget(bare)  # of its packages, none is run in the next try
            names = itertools.accumulate((bare, *parts), "{}.{}".format)
            spot = Place(spot.root, spot.name, tuple(names))
    stubs.close()
    assert last is not None
    return _failure(source.path, last, tuple(dict.fromkeys(stubs.names)))


def import_module(name: str) -> ModuleType | Problem:
    """An installed module by its dotted name, or why it cannot be imported."""
    sys.path.append(os.getcwd())
    try:
        return importlib.import_module(name)
    except BaseException as error:
        return _failure(name, error)


def import_notes(source: Source, found: Imported) -> Iterator[Problem]:
    """What was replaced or left out while the file was imported."""
    stubs = found.stubs
    if found.bare:
        yield Problem(
            ProblemKind.STUBBED_IMPORT,
            source.path,
            f"imported without the __init__.py of {found.bare}, which fails",
            hint=f"`import {found.bare}` shows why",
        )
    if stubs.names:
        names = ", ".join(dict.fromkeys(stubs.names))
        yield Problem(
            ProblemKind.STUBBED_IMPORT,
            source.path,
            f"replaced while importing, as not installed or broken: {names}",
            hint="install what the file imports for a complete check",
            line=_import_line(source.tree, stubs.names[0]),
        )


def local_modules(before: set[str], own: str) -> tuple[str, ...]:
    """Files of local modules that were imported since ``before``, sorted; not the file itself."""
    new = [module for name, module in list(sys.modules.items()) if name not in before]
    paths = (getattr(module, "__file__", None) for module in new)
    local = (p for p in paths if isinstance(p, str) and p != own and is_local(p))
    return tuple(sorted(set(map(os.path.abspath, local))))


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads the text that was parsed, whatever is on the disk by now."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source.path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source.text, self._source.path, "exec", dont_inherit=True)


class _NoShell:
    """Takes the magics of a notebook saved as a script (``%matplotlib``, ``!pip``)."""

    def _nothing(self, *_: Any, **__: Any) -> None:
        return None

    run_line_magic = run_cell_magic = system = magic = _nothing

    def getoutput(self, *_: Any, **__: Any) -> list[str]:
        """No lines: no command is run."""
        return []


def _load(source: Source, spot: Place) -> ModuleType:
    for name in spot.bare:  # without their __init__.py, whatever their folders are called
        if name not in sys.modules:
            sys.modules[name] = package = ModuleType(name)
            package.__path__ = [os.path.join(spot.root, *name.split("."))]
    if spot.parent:
        importlib.import_module(spot.parent)
        known = sys.modules.get(spot.name)
        if known is not None and _is_of(known, source):
            return known
    loader = _Loader(spot.name, source)
    spec = importlib.util.spec_from_file_location(spot.name, source.path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    if _MAGICS.search(source.text):  # others that ask for it expect a plain script
        vars(module).setdefault("get_ipython", _NoShell)
    sys.modules[spot.name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spot.name, None)
        raise
    return module


def _is_of(module: ModuleType, source: Source) -> bool:
    """True when a package already imported this very file, with this very text."""
    path = getattr(module, "__file__", None)
    if not path or os.path.realpath(path) != os.path.realpath(source.path):
        return False
    with open(path, "rb") as stream:
        return importlib.util.decode_source(stream.read()) == source.text


def _import_line(tree: ast.Module, name: str) -> int:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{n}" for n in names)]
            if any(n == name or n.startswith(name + ".") for n in names):
                return node.lineno
    return 0


def _failure(path: str, error: BaseException, replaced: tuple[str, ...] = ()) -> Problem:
    """Why an import failed; ``replaced`` are the packages that were stubbed for it."""
    hint = ""
    if replaced:
        hint = f"install {', '.join(replaced)}: what is not installed was replaced for this try"
    elif isinstance(error, ModuleNotFoundError):
        hint = f"`{error.name}` is not found: run bnlint from the project it belongs to"
    elif isinstance(error, FileNotFoundError):
        hint = "paths are relative to an empty folder while bnlint imports a file"
    elif isinstance(error, Exception):
        hint = "bnlint imports the file: keep work under `if __name__ == '__main__'`"
    kind = ProblemKind.IMPORT_FAILED
    return blame(error, kind, "importing it", path, hint=hint, blocking=True)
