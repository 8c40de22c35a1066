"""A user's file as a module: with local folders on the path and stubs for what is not installed.

For child processes only: folders added to ``sys.path`` stay there.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.machinery
import importlib.util
import itertools
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, ModuleType
from typing import Any

from bnlint.loading.execution import FailedStatement, Script
from bnlint.loading.local_imports import LocalImports
from bnlint.loading.missing.bare_packages import BarePackage
from bnlint.loading.missing.stubs import USUAL, Stub, Stubs
from bnlint.loading.missing.swallowed import SwallowedImports
from bnlint.loading.parsing import Place, Source, place
from bnlint.loading.patience import Patience
from bnlint.loading.retry import extend_path, forget, unblock
from bnlint.loading.sharing.header import ancestors, statements_of
from bnlint.loading.sharing.preparation import Preparation, timed
from bnlint.loading.sites import file_of
from bnlint.loading.user_code import line_in

_Import = ast.Import | ast.ImportFrom

_RETRIES = 40
_MAGICS = re.compile(r"\bget_ipython\(\)\.(run_line_magic|run_cell_magic|system|getoutput|magic)\(")


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that was imported, and the stubs that it needed; close them before tracing.

    ``bare`` names the package that was entered without its own ``__init__.py``, or is empty.
    ``script`` knows the statements that failed. ``partly`` are errors of local modules that were
    imported as far as possible, each with the line of the file that imports it. ``others`` are the
    scripts of local modules that something failed in, or was stopped.
    """

    module: ModuleType
    stubs: Stubs
    bare: str = ""
    script: Script | None = None
    partly: tuple[tuple[int, BaseException], ...] = ()
    others: tuple[Script, ...] = ()

    @property
    def failures(self) -> tuple[FailedStatement, ...]:
        """The statements of the file that failed, in their order."""
        return tuple(self.script.failures) if self.script else ()

    @property
    def lost(self) -> tuple[ast.stmt, ...]:
        """The statements of the file that failed or were left out after that."""
        left = self.script.left_out if self.script else []
        return (*(failed.statement for failed in self.failures), *left)


def import_source(
    source: Source,
    search: tuple[str, ...] = (),
    patience: float = 0,
    prepared: Preparation | None = None,
) -> Imported:
    """The file's module with all that could be defined, and what failed.

    A package that is not installed is replaced by a stub; a local module that is found in a
    folder above the file is imported from there; only the user can supply a missing part of the
    file's own package. A statement that runs for more than ``patience`` seconds is stopped.
    ``prepared`` may have imported some of what the file needs.
    """
    spot = place(source)
    folders = [*filter(None, (spot.root, source.folder, *search))]
    stubs = Stubs() if prepared is None else prepared.stubs_for(folders)
    extend_path(spot.root, source.folder, *search)
    with LocalImports(Patience(patience)).open() as local, SwallowedImports(stubs).open():
        spot, bare = _enter(source, spot, stubs)
        known = sys.modules.get(spot.name) if spot.parent else None
        if known is not None and _is_of(known, source):
            return Imported(known, stubs, bare, local.script_of(source.path))
        module = _new_module(source, spot)
        script = Script(
            source.path, source.tree, vars(module), local.patience, partial(_timed, spot.home)
        )
        rescue = _Rescue(source, spot, stubs, local, vars(module))
        local.replace = rescue.replace
        script.run(rescue.again)
    partly = tuple(rescue.partly.items())
    return Imported(module, stubs, bare, script, partly, tuple(local.scripts))


def import_module(name: str) -> ModuleType:
    """An installed module by its dotted name; raises whatever its import raises."""
    sys.path.append(os.getcwd())
    return importlib.import_module(name)


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


@dataclass(slots=True)
class _Rescue:
    """Decides whether a statement of the file is tried again, after something was added for it."""

    source: Source
    spot: Place
    stubs: Stubs
    local: LocalImports
    names: dict[str, Any]
    partly: dict[int, BaseException] = field(default_factory=dict)

    def again(self, node: ast.stmt, error: BaseException) -> bool:
        """True if the next try gets further.

        In the end local modules are imported as far as possible, and names that are still missing
        become stubs: a class may mention them without needing them.
        """
        if isinstance(error, Exception) and unblock(error, self.source, self.spot, self.stubs):
            return True
        if isinstance(error, NameError) and self._bring(error.name or ""):
            return True
        imports = list(_imports(node))
        if imports and node.lineno not in self.partly and self._import_partly(imports):
            self.partly[node.lineno] = error
            return True
        self.partly.pop(node.lineno, None)
        self.replace(node, self.names)
        return False

    def replace(self, node: ast.stmt, names: dict[str, Any]) -> None:
        """Bind what the imports of a statement can get to the names of a module, else stubs."""
        for each in _imports(node):
            self._bind(each, names)

    def _bring(self, name: str) -> bool:
        """True if the name is bound now: a local module has it with ``*`` from a missing one."""
        stars = (n for n in ast.walk(self.source.tree) if isinstance(n, ast.ImportFrom))
        starred = any(alias.name == "*" for n in stars for alias in n.names)
        if name not in USUAL or name in self.names or not (starred and self.stubs.names):
            return False
        self.names[name] = USUAL[name]
        return True

    def _import_partly(self, imports: list[_Import]) -> bool:
        """True if the modules that imports name are there now, as far as they ran."""
        with self.local.leniently():
            try:
                for name in (name for node in imports for name in self._modules(node)):
                    importlib.import_module(name)
            except BaseException:
                return False
        return True

    def _modules(self, node: _Import, home: str = "") -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        name = "." * node.level + (node.module or "")
        return [importlib.util.resolve_name(name, home or self.spot.home)]

    def _bind(self, node: _Import, names: dict[str, Any]) -> None:
        whole = isinstance(node, ast.Import)
        home = "" if isinstance(node, ast.Import) or not node.module else f"{node.module}."
        module: object = None
        with contextlib.suppress(BaseException):
            package = names.get("__package__") or ""
            module = None if whole else importlib.import_module(self._modules(node, package)[0])
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if name not in names and name != "*":
                known = "" if module is not None and names is not self.names else home
                stub = Stub(self.stubs, known + (name if whole else alias.name))
                names[name] = _read(module, alias.name, stub)


def _read(module: object, name: str, stub: Stub) -> object:
    """What a module has by a name, else the stub: modules may import it only when it is read."""
    try:
        return getattr(module, name, stub)
    except Exception:
        return stub


def _timed(home: str, node: ast.stmt) -> contextlib.AbstractContextManager[None]:
    return timed([*statements_of(node, home)])


def _imports(node: ast.stmt) -> Iterator[_Import]:
    """The imports that run with a statement."""
    if not isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        yield from (part for part in ast.walk(node) if isinstance(part, _Import))


def _enter(source: Source, spot: Place, stubs: Stubs) -> tuple[Place, str]:
    """Import the packages that hold the file; where they fail, without their ``__init__.py``."""
    for _ in range(_RETRIES):
        try:
            _add_packages(spot)
            for name in ancestors(spot):
                with timed([f"import {name}"]):
                    importlib.import_module(name)
            return spot, ""
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the file's own
            if isinstance(error, Exception) and unblock(error, source, spot, stubs):
                continue
            bare, *parts = spot.name.split(".")[:-1]
            forget(bare)  # of its packages, none is run in the next try
            names = tuple(itertools.accumulate((bare, *parts), "{}.{}".format))
            _add_packages(bare_spot := Place(spot.root, spot.name, names, spot.package))
            # the file's own failure is found again when it is run
            return bare_spot, "" if line_in(error, source.path) else bare
    return spot, ""


def _add_packages(spot: Place) -> None:
    """Add the packages without ``__init__.py``, whatever their folders are called."""
    for name in spot.bare:
        if name not in sys.modules:
            folder = os.path.join(spot.root, *name.split("."))
            sys.modules[name] = BarePackage(name, folder)


def _new_module(source: Source, spot: Place) -> ModuleType:
    loader = _Loader(spot.name, source)
    spec = importlib.util.spec_from_file_location(spot.name, source.path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    if source.path.endswith(".ipynb"):
        vars(module).update(get_ipython=_NoShell, display=print)
    elif _MAGICS.search(source.text):  # others that ask for it expect a plain script
        vars(module).setdefault("get_ipython", _NoShell)
    sys.modules[spot.name] = module
    return module


def _is_of(module: ModuleType, source: Source) -> bool:
    """True when a package already imported this very file, with this very text."""
    path = file_of(module)
    if not path or os.path.realpath(path) != os.path.realpath(source.path):
        return False
    with open(path, "rb") as stream:
        return importlib.util.decode_source(stream.read()) == source.text
