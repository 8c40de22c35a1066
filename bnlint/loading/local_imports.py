"""The user's other modules while a file imports them: stopped where they run for long.

A module that fails fails as in any Python program at first, so that a ``try`` around an import
works. Where that leaves the file without what it needs, the module is imported as far as possible.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

from bnlint.loading.execution import Script
from bnlint.loading.patience import Patience, Stopped
from bnlint.loading.sites import is_local


@dataclass(slots=True)
class LocalImports:
    """Runs local modules; ``scripts`` are those of which something failed or was stopped.

    ``replace`` binds what an import that fails would have bound to stand-ins.
    """

    patience: Patience
    lenient: bool = False
    scripts: list[Script] = field(default_factory=list)
    replace: Callable[[ast.stmt, dict[str, Any]], None] | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[LocalImports]:
        """Run the local modules that are imported inside the block."""
        loader: Any = importlib.machinery.SourceFileLoader
        ordinary = loader.exec_module

        def exec_module(loader: Any, module: ModuleType) -> None:
            script = self._script(loader, module)
            if script is None:
                ordinary(loader, module)
            else:
                self._run(script)

        loader.exec_module = exec_module
        try:
            yield self
        finally:
            loader.exec_module = ordinary

    @contextlib.contextmanager
    def leniently(self) -> Iterator[None]:
        """Let modules that are imported inside the block fail in parts."""
        self.lenient = True
        try:
            yield
        finally:
            self.lenient = False

    def script_of(self, path: str) -> Script | None:
        """The script of a file of which something failed or was stopped."""
        return next((script for script in self.scripts if script.path == path), None)

    def _script(self, loader: Any, module: ModuleType) -> Script | None:
        """The text to run; None for what is not local, or was imported before without harm."""
        path = loader.path
        if not is_local(path) or not (self.lenient or self._is_fresh(path)):
            return None
        try:
            tree = ast.parse(loader.get_source(module.__name__), path)
        except (ImportError, SyntaxError, ValueError, RecursionError):
            return None
        return Script(path, tree, vars(module), self.patience)

    def _is_fresh(self, path: str) -> bool:
        """False for a module that has bytecode: parsing would make a big package slow."""
        if not self.patience.seconds:
            return False
        try:
            return not os.path.exists(importlib.util.cache_from_source(path))
        except NotImplementedError:
            return True

    def _run(self, script: Script) -> None:
        try:
            script.run(partial(self._again, script))
        finally:
            if script.failures:
                self.scripts.append(script)

    def _again(self, script: Script, node: ast.stmt, error: BaseException) -> bool:
        if self.lenient and self.replace is not None:
            self.replace(node, script.names)
        if self.lenient or isinstance(error, Stopped):
            return False
        raise error
