"""A user's file as a module: found packages, local folders, and stubs for what is not installed.

Meant for a child process: folders added to ``sys.path`` stay there.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, ModuleType

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.tracing.blame import Blame
from bnlint.tracing.mending import extend_path, is_local, mend
from bnlint.tracing.source import Place, Source, place
from bnlint.tracing.stubs import Stubs

_RETRIES = 40


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that was imported, and the stubs it needed; close them before tracing."""

    module: ModuleType
    stubs: Stubs


def import_source(source: Source, search: tuple[str, ...] = ()) -> Imported | Problem:
    """The file's module, or why it cannot be imported.

    A package that is not installed is replaced by a stub; a local module that is found in a
    folder above the file is imported from there; a missing part of the file's own package is the
    user's to mend.
    """
    spot, stubs = place(source), Stubs()
    extend_path(spot.root, source.folder, *search)
    blame = Blame(ProblemKind.IMPORT_FAILED, "importing it", source.path, blocking=True)
    for _ in range(_RETRIES):
        try:
            return Imported(_load(source, spot), stubs)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the file's own
            if not (isinstance(error, Exception) and mend(error, source, spot, stubs)):
                stubs.close()
                return _explain(blame, error)
    stubs.close()
    return Problem(ProblemKind.IMPORT_FAILED, source.path, "too many imports fail", blocking=True)


def import_module(name: str) -> ModuleType | Problem:
    """An installed module by its dotted name, or why it cannot be imported."""
    sys.path.append(os.getcwd())
    try:
        return importlib.import_module(name)
    except BaseException as error:
        return _explain(
            Blame(ProblemKind.IMPORT_FAILED, "importing it", name, blocking=True), error
        )


def stub_problem(source: Source, stubs: Stubs) -> Iterator[Problem]:
    """One note that names what was replaced."""
    if stubs.names:
        names = ", ".join(dict.fromkeys(stubs.names))
        yield Problem(
            ProblemKind.STUBBED_IMPORT,
            source.path,
            f"not installed, replaced while importing: {names}",
            hint="install what the file imports for a complete check",
            line=_import_line(source.tree, stubs.names[0]),
        )


def local_modules(before: set[str], own: str) -> tuple[str, ...]:
    """Files of local modules that were imported since ``before``, sorted; not the file itself."""
    found = set()
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name not in before and isinstance(path, str) and path != own and is_local(path):
            found.add(os.path.abspath(path))
    return tuple(sorted(found))


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads the text that was parsed, whatever the disk holds by now."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source.path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source.text, self._source.path, "exec", dont_inherit=True)


def _load(source: Source, spot: Place) -> ModuleType:
    for name in spot.bare:
        _bare_package(name, spot.root)
    if spot.parent:
        importlib.import_module(spot.parent)
        known = sys.modules.get(spot.name)
        if known is not None and _is_of(known, source):
            return known
    loader = _Loader(spot.name, source)
    spec = importlib.util.spec_from_file_location(spot.name, source.path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
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


def _bare_package(name: str, root: str) -> None:
    """A package without ``__init__.py``, whatever its folder is called."""
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [os.path.join(root, *name.split("."))]
        sys.modules[name] = package


def _import_line(tree: ast.Module, name: str) -> int:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{n}" for n in names)]
            if any(n == name or n.startswith(name + ".") for n in names):
                return node.lineno
    return 0


def _explain(blame: Blame, error: BaseException) -> Problem:
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        hint = f"`{error.name}` is not found: run bnlint from the project it belongs to"
    elif isinstance(error, FileNotFoundError):
        hint = "paths are relative to an empty folder while bnlint imports a file"
    elif isinstance(error, Exception):
        hint = "bnlint imports the file: keep work under `if __name__ == '__main__'`"
    return Blame(blame.kind, blame.doing, blame.path, hint=hint, blocking=True).problem(error)
