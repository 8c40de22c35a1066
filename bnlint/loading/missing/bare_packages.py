"""Packages of the project whose ``__init__.py`` does not run: there is none, or it fails."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from types import ModuleType

from bnlint.loading.parsing import Source, read


class BarePackage(ModuleType):
    """A package that imports a module of it, or a name that its ``__init__.py`` has, when asked.

    So one that fails keeps no other away.
    """

    def __init__(self, name: str, folder: str) -> None:
        super().__init__(name)
        self.__path__ = [folder]

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        package, folder = self.__name__, self.__path__[0]
        whole = f"{package}.{name}"
        if whole in sys.modules or importlib.util.find_spec(whole) is not None:
            return importlib.import_module(whole)
        for node in _imports_in(os.path.join(folder, "__init__.py")):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    home = "." * node.level + (node.module or "")
                    module = importlib.import_module(home, package)
                    return getattr(module, alias.name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")


def _imports_in(path: str) -> list[ast.ImportFrom]:
    source = read(path) if os.path.isfile(path) else None
    body = source.tree.body if isinstance(source, Source) else []
    return [node for node in body if isinstance(node, ast.ImportFrom)]
