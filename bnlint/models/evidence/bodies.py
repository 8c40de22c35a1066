"""The source of classes and functions: of the checked file, and of local files that it imports."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from torch import nn

from bnlint.domain.objects import home_of
from bnlint.loading.parsing import Source, read
from bnlint.loading.sites import is_local

Function = ast.FunctionDef
Body = ast.ClassDef | ast.FunctionDef


class Bodies:
    """Finds definitions by the objects that they define; library code has none."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def of(self, value: Any) -> Body | None:
        """The definition of a class or function."""
        name, module = getattr(value, "__name__", ""), home_of(value)
        path = getattr(sys.modules.get(module or ""), "__file__", None)
        if path is None or os.path.abspath(path) == self._source.path:
            return _definitions(self._source.tree).get(name) if _is_users(value) else None
        return _definitions_in(path).get(name) if is_local(path) else None

    def constructor(self, cls: type) -> tuple[Function, type] | None:
        """The ``__init__`` that a class runs, and the class that defines it."""
        for base in cls.__mro__:
            if "__init__" in vars(base):
                body = self.of(base)
                found = _method(body, "__init__") if body else None
                return (found, base) if found else None
        return None

    def methods(self, cls: type) -> dict[str, Function]:
        """The methods of a class that are written in local files, by name."""
        found: dict[str, Function] = {}
        for base in reversed(cls.__mro__):
            body = self.of(base) if base is not nn.Module else None
            if isinstance(body, ast.ClassDef):
                found |= {n.name: n for n in body.body if isinstance(n, Function)}
        return found


def _is_users(value: Any) -> bool:
    module = home_of(value)
    return module.partition(".")[0] not in ("torch", "builtins", "torchvision")


def _method(body: Body, name: str) -> Function | None:
    found = (n for n in body.body if isinstance(n, Function) and n.name == name)
    return next(found, None) if isinstance(body, ast.ClassDef) else None


@lru_cache(maxsize=64)
def _definitions_in(path: str) -> dict[str, Body]:
    found = read(path)
    return _definitions(found.tree) if isinstance(found, Source) else {}


@lru_cache(maxsize=64)
def _definitions(tree: ast.Module) -> dict[str, Body]:
    """Definitions by name, those at the top of the file before others of the same name."""
    every = {n.name: n for n in _nested(tree)}
    return every | {n.name: n for n in tree.body if isinstance(n, Body)}


def _nested(tree: ast.Module) -> Iterator[Body]:
    yield from (n for n in ast.walk(tree) if isinstance(n, Body))
