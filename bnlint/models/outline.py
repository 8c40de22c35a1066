"""What the text of a file says: which definitions return models, which values names have.

Nothing is imported or called here.
"""

from __future__ import annotations

import ast
import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from torch import nn

from bnlint.domain.graph import Location
from bnlint.loading.parsing import Source, read

Definition = ast.ClassDef | ast.FunctionDef

_HARMLESS = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.UnaryOp, ast.BinOp),
    *(ast.operator, ast.unaryop, ast.expr_context, ast.Starred, ast.keyword),
)
"""Nodes of an expression that has no side effects."""


def definitions(tree: ast.Module) -> dict[str, Definition]:
    """Classes and functions at the top of the file or under an ``if`` or ``try``, by name."""
    top = {n.name: n for n in tree.body if isinstance(n, Definition)}
    branches = (n for n in tree.body if isinstance(n, (ast.If, ast.Try)))
    nested = (n for branch in branches for n in ast.walk(branch) if isinstance(n, Definition))
    return top | {n.name: n for n in nested if n.name not in top}


def assigned_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names assigned at the top of the file, also inside ``if``, ``try``, ``with`` and ``for``."""
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For)):
            yield from assigned_names(node.body)
            yield from assigned_names(getattr(node, "orelse", []))


def factories(defined: dict[str, Definition], classes: set[str]) -> dict[str, str]:
    """Functions that return a model, with the class or function that each calls in the end."""
    functions = {n: d for n, d in defined.items() if isinstance(d, ast.FunctionDef)}
    roots: dict[str, str] = {}
    for _ in range(4):  # factories that return other factories' results
        for name, node in functions.items():
            if name not in roots and (root := _root(node, classes, roots)):
                roots[name] = root
    return roots


def parts(tree: ast.Module, classes: set[str]) -> set[str]:
    """Names that a class of the file uses, or that are passed on as an argument."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in classes:
            used = {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)}
            found |= used - {node.name}
        elif isinstance(node, ast.FunctionDef):
            for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
                if _plain_name(call.func) not in ("isinstance", "issubclass"):
                    passed = (*call.args, *(k.value for k in call.keywords))
                    found |= {v.id for v in passed if isinstance(v, ast.Name)} & classes
    return found


def helpers(tree: ast.Module) -> set[str]:
    """Names that other functions and classes use, such as ``conv3x3(in, out)``."""
    return {
        used.id
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        for used in ast.walk(node)
        if isinstance(used, ast.Name) and used.id != node.name
    }


def own_forward(node: Definition) -> ast.FunctionDef | None:
    """The ``forward`` that a class itself defines."""
    found = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "forward"]
    return found[-1] if found else None


def only_raises(node: Definition) -> bool:
    """True for a class whose own ``forward`` has no code but an error."""
    forward = own_forward(node)
    return forward is not None and only_raises_in(forward)


def only_raises_in(function: ast.FunctionDef) -> bool:
    """True for a function that has no code but an error."""
    return all(
        isinstance(part, (ast.Raise, ast.Pass))
        or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        for part in function.body
    )


def _root(node: ast.FunctionDef, classes: set[str], roots: dict[str, str]) -> str:
    classes = classes | {n.name for n in ast.walk(node) if isinstance(n, ast.ClassDef)}
    bound: dict[str, ast.expr] = {}
    returned: list[ast.expr] = []
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call):
            bound |= {t.id: part.value for t in part.targets if isinstance(t, ast.Name)}
        elif isinstance(part, ast.Return) and part.value is not None:
            returned.append(part.value)
    for value in returned:
        if isinstance(value, ast.Name):
            value = bound.get(value.id, value)
        if isinstance(value, ast.Call):
            name = _plain_name(value.func)
            if name in classes:
                return name
            if name in roots:
                return roots[name]
            if _is_torch_layer(value.func):
                return node.name
    return _annotated(node, classes)


def _annotated(node: ast.FunctionDef, classes: set[str]) -> str:
    text = ast.unparse(node.returns).strip("'\"") if node.returns else ""
    if text in classes:
        return text
    return node.name if text in ("nn.Module", "torch.nn.Module", "nn.Sequential") else ""


def _is_torch_layer(func: ast.expr) -> bool:
    home, _, name = ast.unparse(func).rpartition(".")
    value = getattr(nn, name, None) if f"{home}.".startswith(("nn.", "torch.nn.")) else None
    return isinstance(value, type) and issubclass(value, nn.Module)


def _plain_name(func: ast.expr) -> str:
    return func.id if isinstance(func, ast.Name) else ""


def scopes(tree: ast.Module, skip: str = "") -> list[ast.AST]:
    """Blocks of code that share names: ``__main__`` first, functions, classes, then the module."""
    before, methods = _blocks(tree)
    return [*before, *(method for owner, method in methods if owner != skip)]


@lru_cache(maxsize=256)
def _blocks(tree: ast.Module) -> tuple[list[ast.AST], list[tuple[str, ast.FunctionDef]]]:
    """The blocks of a text outside of classes, and the methods with their classes."""
    main = [n for n in tree.body if isinstance(n, ast.If) and "__main__" in ast.unparse(n.test)]
    rest = [n for n in tree.body if n not in main]
    functions = [n for n in rest if isinstance(n, ast.FunctionDef)]
    classes = [n for n in rest if isinstance(n, ast.ClassDef)]
    methods = [(c.name, m) for c in classes for m in c.body if isinstance(m, ast.FunctionDef)]
    plain = [n for n in rest if not isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    return [*main, ast.Module(plain, []), *functions], methods


def names_read(node: ast.AST) -> set[str]:
    """The plain names in an expression."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


@lru_cache(maxsize=4096)
def mentions(scope: ast.AST) -> frozenset[str]:
    """The names and attributes in a block."""
    nodes = [*ast.walk(scope)]
    attributes = (node.attr for node in nodes if isinstance(node, ast.Attribute))
    return frozenset((*attributes, *(node.id for node in nodes if isinstance(node, ast.Name))))


def constants(scope: ast.AST, names: Mapping[str, Any]) -> dict[str, Any]:
    """The names known in a block: ``names``, defaults, and harmless assignments in the block."""
    known = dict(names)
    for node in ast.walk(scope):
        for name, value in (*_argument_defaults(node), *assigned(node)):
            with contextlib.suppress(ValueError):
                known[name] = value_of(value, known)
    return known


def assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Each name that an assignment sets, with its expression; nothing for other nodes."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        yield from unpacked(node.targets[0], node.value)


def attributes_set(tree: ast.AST) -> Iterator[tuple[ast.Attribute, ast.expr]]:
    """Each attribute of a name that an assignment sets, with its expression."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    yield target, node.value


def value_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression; ValueError if it may have side effects or a name is unknown."""
    if not all(isinstance(part, _HARMLESS) for part in ast.walk(node)):
        raise ValueError("not a plain expression")
    try:
        code = compile(ast.Expression(node), "<argument>", "eval")
        return eval(code, {"__builtins__": {}}, dict(names))
    except Exception as error:
        raise ValueError(str(error)) from error


def tests_of(source: Source) -> list[Source]:
    """The parsed test files that belong to a file by their name."""
    name = f"test_{os.path.splitext(source.name)[0]}.py"
    above = os.path.dirname(source.folder)
    places = ((source.folder,), (source.folder, "tests"), (above, "tests"))
    paths = (os.path.join(*place, name) for place in places)
    tests = (read(path) for path in paths if os.path.isfile(path))
    return [test for test in tests if isinstance(test, Source)]


def location_of(node: ast.expr | ast.stmt, path: str) -> Location:
    """Where an expression or a statement begins."""
    return Location(path, node.lineno, node.col_offset + 1)


def _argument_defaults(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.arguments):
        names = [a.arg for a in (*node.posonlyargs, *node.args)]
        yield from zip(reversed(names), reversed(node.defaults), strict=False)


def unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The names that an assignment sets, with their values; ``a, b = 1, 2`` sets two."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=False):
            yield from unpacked(one, part)
