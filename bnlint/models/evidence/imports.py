"""What the names of another file refer to, as far as its imports and its text say."""

from __future__ import annotations

import ast
import builtins
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from bnlint.loading.parsing import Source


def imports_from(text: Source, path: str, name: str) -> bool:
    """True if a file imports ``name``, or all names, from the file at ``path`` or its package."""
    return any(_gives(node, name, path) for node in _imports(text.tree))


@lru_cache(maxsize=256)
def _imports(tree: ast.AST) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """The import statements of a file, which is asked for many names."""
    return tuple(n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)))


def _gives(node: ast.Import | ast.ImportFrom, name: str, path: str) -> bool:
    """True if a statement brings the name, or the file, or the package that the file is in."""
    near = _places(path)[:2]
    named = {alias.name.rpartition(".")[2] for alias in node.names}
    if isinstance(node, ast.Import) or named & set(near):
        return bool(named & set(near))
    home = (node.module or "").rpartition(".")[2]
    if name in named:  # a package above may offer it, too
        return not home or leads_to(home, path)
    return "*" in named and (home in near or (not home and node.level > 0))


def _places(path: str) -> list[str]:
    """The names of the file and of the folders above it, without suffix."""
    stem = os.path.splitext(path)[0]
    parts = stem.split(os.sep)
    return [p for p in reversed(parts) if p and p != "__init__"]


def leads_to(module: str, path: str) -> bool:
    """True if a dotted name ends with the file, or with a package or folder above it."""
    return module.rpartition(".")[2] in _places(path)[:4]


def names_in(text: Source, module: ModuleType | Mapping[str, Any]) -> dict[str, Any]:
    """The loaded modules and classes that the names of a file refer to.

    Nothing is imported for it: names of what is not loaded are left out. Names of the checked
    module are known in every file that imports it.
    """
    own = module if isinstance(module, Mapping) else vars(module)
    known = {n: v for n, v in own.items() if isinstance(v, type) or callable(v)}
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                full = alias.name if alias.asname else alias.name.partition(".")[0]
                if (found := sys.modules.get(full)) is not None:
                    known[alias.asname or full] = found
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            owner = sys.modules.get(node.module)
            held = {} if owner is None else vars(owner)  # a lazy ``__getattr__`` would import
            for alias in node.names:
                if alias.name in held:
                    known[alias.asname or alias.name] = held[alias.name]
    return {n: v for n, v in known.items() if not hasattr(builtins, n)}


def defines(text: Source, name: str) -> bool:
    """True if the file has a class or function of its own with this name."""
    top = (n for n in text.tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef)))
    return any(node.name == name for node in top)
