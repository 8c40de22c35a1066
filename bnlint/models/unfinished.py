"""Models of a file that statements would have changed which did not run."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from bnlint.models.outline import called, names_read
from bnlint.models.reading.forward_code import function_tree

_CHANGING = frozenset({"setattr", "add_module", "register_module", "register_parameter"})
"""Calls that give a module another part."""

_STATED = frozenset({"weight", "in_channels", "out_channels", "in_features", "out_features"})
"""Attributes of layers on which it depends what fits them."""


def unfinished(
    model: nn.Module, lost: Sequence[ast.stmt], names: Mapping[str, Any]
) -> ast.stmt | None:
    """The first statement that did not run and would have given the model other parts."""
    if not lost:
        return None
    named = dict(model.named_modules())
    parts = {id(part) for part in named.values()}
    children = {path.rpartition(".")[2] for path in named}

    def is_part(name: str) -> bool:
        return isinstance(names.get(name), nn.Module) and id(names[name]) in parts

    for statement in lost:
        if any(is_part(name) for name in _changed(statement, names, children)):
            return statement
    return None


def _changed(
    statement: ast.stmt, names: Mapping[str, Any], children: Container[str]
) -> Iterator[str]:
    """The names of what a statement changes: ``net.fc = ...``, or ``replace_first(net)``.

    Other values of a weight, or a note that is kept with a model, change none of its parts.
    """
    match statement:
        case ast.Assign(targets=targets):
            made = _changes_part(statement)
            for target in targets:
                is_part = isinstance(target, ast.Attribute) and (made or target.attr in children)
                if is_part or isinstance(target, ast.Subscript):
                    yield _root(target)
        case ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call):
            if name in _CHANGING or _changes_parts(names.get(name)):
                yield from names_read(call)
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) as method)):
            if name in _CHANGING:
                yield _root(method)


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _changes_parts(function: Any) -> bool:
    """True for a function that gives a module other weights, or another part."""
    tree = function_tree(function) if inspect.isfunction(function) else None
    return tree is not None and any(map(_changes_part, ast.walk(tree)))


def _changes_part(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Attribute(attr=attr)], value=value):
            made = isinstance(value, ast.Call) and called(value)[:1].isupper()
            return made or attr in _STATED
        case ast.Call():
            return called(node) in _CHANGING
    return False
