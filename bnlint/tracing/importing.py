"""A user's file as a module: found packages, local folders, and stubs for what is not installed.

Meant for a child process: folders added to ``sys.path`` stay there.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, ModuleType

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.tracing.blame import Blame
from bnlint.tracing.source import Place, Source, place
from bnlint.tracing.stubs import Stubs

_RETRIES = 40
_ANCESTORS = 6
_NO_NAME = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_ROOT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


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
    _extend_path(spot.root, source.folder, *search)
    blame = Blame(ProblemKind.IMPORT_FAILED, "importing it", source.path, blocking=True)
    for _ in range(_RETRIES):
        try:
            return Imported(_load(source, spot), stubs)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the file's own
            if not (isinstance(error, Exception) and _mend(error, source, spot, stubs)):
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
        return _explain(Blame(ProblemKind.IMPORT_FAILED, "importing it", name, blocking=True), error)


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
    """Files of local modules that were imported since ``before``, sorted, without the file itself."""
    found = set()
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name not in before and isinstance(path, str) and path != own and is_local(path):
            found.add(os.path.abspath(path))
    return tuple(sorted(found))


def is_local(path: str) -> bool:
    """True for a file that is neither installed, nor Python's, nor ours."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    stdlib = os.path.dirname(os.__file__) + os.sep
    if any(mark in path for mark in _INSTALLED) or path.startswith("<"):
        return False
    return not path.startswith((here, stdlib))


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


def _extend_path(*folders: str) -> None:
    for folder in reversed(folders):
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)
    importlib.invalidate_caches()


def _mend(error: Exception, source: Source, spot: Place, stubs: Stubs) -> bool:
    """Make the next try get further: a local folder found, or a stub put in place."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _mend_missing(error.name, source, spot, stubs)
    if isinstance(error, ImportError) and (found := _NO_NAME.search(str(error))):
        return _mend_name(found[2], found[1], stubs)
    return _mend_broken(error, stubs)


def _mend_missing(name: str, source: Source, spot: Place, stubs: Stubs) -> bool:
    top = name.partition(".")[0]
    if name in stubs.names:
        return False
    if top == spot.name.partition(".")[0] and spot.parent:
        return False  # a part of the file's own package
    known = sys.modules.get(top)
    if known is None and (folder := _folder_with(top, source.folder)):
        if folder not in sys.path:
            _extend_path(folder)
            return True
        return False
    if known is not None and is_local(getattr(known, "__file__", None) or "<none>"):
        return False
    stubs.add(top if known is None and importlib.util.find_spec(top) is None else name)
    for other in _missing_tops(source.tree):
        if other not in stubs.names and not _folder_with(other, source.folder):
            stubs.add(other)
    return True


def _mend_name(module: str, name: str, stubs: Stubs) -> bool:
    """An installed package of another version lacks a name: only that name is replaced."""
    owner = sys.modules.get(module)
    path = getattr(owner, "__file__", None) or ""
    if owner is None or is_local(path or "x") or f"{module}.{name}" in stubs.names:
        return False
    stubs.add_attribute(owner, name)
    return True


def _mend_broken(error: Exception, stubs: Stubs) -> bool:
    """An installed package fails while it is imported: it is as good as missing."""
    frames = traceback.extract_tb(error.__traceback__)
    local = [f for f in frames if is_local(f.filename) and not f.filename.startswith("<")]
    if not local or local[-1] is frames[-1]:
        return False
    for name in _imported_names(local[-1].line or ""):
        top = name.partition(".")[0]
        if top not in stubs.names and top not in sys.modules and top != "torch":
            stubs.add(top)
            return True
    return False


def _imported_names(line: str) -> Iterator[str]:
    try:
        tree = ast.parse(line.strip().rstrip("(").rstrip() if "(" in line else line.strip())
    except SyntaxError:
        found = re.match(r"\s*(?:from|import)\s+([\w.]+)", line)
        if found:
            yield found[1]
        return
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _missing_tops(tree: ast.Module) -> Iterator[str]:
    """Packages imported without a ``try`` at the top of the file that are nowhere to be found."""
    for node in tree.body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.modules and importlib.util.find_spec(top) is None:
                yield top


def _folder_with(name: str, folder: str) -> str:
    """The folder at or above ``folder`` that holds a module or package ``name``; empty if none."""
    for _ in range(_ANCESTORS):
        path = os.path.join(folder, name)
        if os.path.isfile(path + ".py") or (os.path.isdir(path) and _has_python(path)):
            return folder
        if any(os.path.exists(os.path.join(folder, mark)) for mark in _ROOT_MARKS):
            return ""
        parent = os.path.dirname(folder)
        if parent == folder:
            return ""
        folder = parent
    return ""


def _has_python(folder: str) -> bool:
    return any(name.endswith(".py") for name in os.listdir(folder))


def _import_line(tree: ast.Module, name: str) -> int:
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
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
