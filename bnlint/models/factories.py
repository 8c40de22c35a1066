"""Functions that give models, told by their text alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from torch import nn

Definition = ast.ClassDef | ast.FunctionDef


def factories(defined: dict[str, Definition], classes: set[str]) -> dict[str, str]:
    """Functions whose result is a model by annotation or by what they return, with their root."""
    functions = {n: d for n, d in defined.items() if isinstance(d, ast.FunctionDef)}
    roots: dict[str, str] = {}
    for _ in range(4):  # factories that return other factories' results
        for name, node in functions.items():
            if name not in roots and (root := _root(node, classes, roots)):
                roots[name] = root
    return roots


def _root(node: ast.FunctionDef, classes: set[str], roots: dict[str, str]) -> str:
    bound = dict(_bindings(node))
    for value in _returned(node):
        if isinstance(value, ast.Name):
            value = bound.get(value.id, value)
        if isinstance(value, ast.Call):
            name = name_of(value.func)
            if name in classes:
                return name
            if name in roots:
                return roots[name]
            if _is_torch_layer(value.func):
                return node.name
    return _annotated(node, classes)


def _returned(node: ast.FunctionDef) -> Iterator[ast.expr]:
    for part in ast.walk(node):
        if isinstance(part, ast.Return) and part.value is not None:
            yield part.value


def _bindings(node: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call):
            yield from ((t.id, part.value) for t in part.targets if isinstance(t, ast.Name))


def _annotated(node: ast.FunctionDef, classes: set[str]) -> str:
    if node.returns is None:
        return ""
    text = ast.unparse(node.returns).strip("'\"")
    if text in classes:
        return text
    return node.name if text in ("nn.Module", "torch.nn.Module", "nn.Sequential") else ""


def _is_torch_layer(func: ast.expr) -> bool:
    text = ast.unparse(func)
    if not text.startswith(("nn.", "torch.nn.")):
        return False
    value = getattr(nn, text.rpartition(".")[2], None)
    return isinstance(value, type) and issubclass(value, nn.Module)


def name_of(func: ast.expr) -> str:
    """The plain name that is called; empty for anything else."""
    return func.id if isinstance(func, ast.Name) else ""
