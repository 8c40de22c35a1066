"""Calls that a file, or the tests beside it, already contain, and the values that they state."""

from __future__ import annotations

import ast
import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from bnlint.domain.graph import Location
from bnlint.loading.parsing import Source, read
from bnlint.models.guessing.guess import Guess, Origin

_LIMIT = 12
_HARMLESS = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.UnaryOp, ast.BinOp),
    *(ast.operator, ast.unaryop, ast.expr_context, ast.Starred, ast.keyword),
)


def written_calls(name: str, source: Source, names: Mapping[str, Any]) -> Iterator[Guess]:
    """Calls of ``name`` in the file, those under ``__main__`` first, then in its tests.

    Only arguments without side effects are evaluated: literals, names of the module, constants
    assigned in the same block. A call with any other argument is left out.
    """
    found: dict[str, Guess] = {}
    for text in (source, *tests_of(source)):
        for scope in scopes(text.tree, skip=name):
            local = constants(scope, names)
            for call in calls_in(scope, name):
                seen = _evaluated(call, text.path, local)
                if seen is not None and len(found) < _LIMIT:
                    found.setdefault(seen.written(name), seen)
    yield from found.values()


def scopes(tree: ast.Module, skip: str = "") -> list[ast.AST]:
    """Blocks of code that share names: ``__main__`` first, functions, classes, then the module."""
    main = [n for n in tree.body if isinstance(n, ast.If) and "__main__" in ast.unparse(n.test)]
    rest = [n for n in tree.body if n not in main]
    functions = [n for n in rest if isinstance(n, ast.FunctionDef)]
    classes = [n for n in rest if isinstance(n, ast.ClassDef) and n.name != skip]
    methods = [m for c in classes for m in c.body if isinstance(m, ast.FunctionDef)]
    plain = [n for n in rest if not isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    return [*main, ast.Module(plain, []), *functions, *methods]


def calls_in(scope: ast.AST, name: str) -> Iterator[ast.Call]:
    """Calls of ``name`` or ``something.name`` in a block."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Call) and called(node) == name:
            yield node


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def constants(scope: ast.AST, names: Mapping[str, Any]) -> dict[str, Any]:
    """The names known in a block: ``names``, defaults, and harmless assignments in the block."""
    known = dict(names)
    for node in ast.walk(scope):
        for name, value in (*_defaults(node), *assigned(node)):
            with contextlib.suppress(ValueError):
                known[name] = value_of(value, known)
    return known


def assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Each name that an assignment sets, with its expression; nothing for other nodes."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        yield from _unpacked(node.targets[0], node.value)


def value_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of a harmless expression.

    Raises
    ------
    ValueError
        It may have side effects, or it uses a name that is not known.

    """
    if not all(isinstance(part, _HARMLESS) for part in ast.walk(node)):
        raise ValueError("not a plain expression")
    code = compile(ast.Expression(node), "<argument>", "eval")
    try:
        return eval(code, {"__builtins__": {}}, dict(names))
    except Exception as error:
        raise ValueError(str(error)) from error


def tests_of(source: Source) -> list[Source]:
    """The parsed test files that belong to a file by their name."""
    stem = os.path.splitext(os.path.basename(source.path))[0]
    found = []
    beside = (source.folder, os.path.join(source.folder, "tests"))
    for folder in (*beside, os.path.join(os.path.dirname(source.folder), "tests")):
        path = os.path.join(folder, f"test_{stem}.py")
        if os.path.isfile(path) and isinstance(test := read(path), Source):
            found.append(test)
    return found


def location_of(node: ast.expr, path: str) -> Location:
    """Where an expression begins."""
    return Location(path, node.lineno, node.col_offset + 1)


def _defaults(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.arguments):
        names = [a.arg for a in (*node.posonlyargs, *node.args)]
        yield from zip(reversed(names), reversed(node.defaults), strict=False)


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=False):
            yield from _unpacked(one, part)


def _evaluated(call: ast.Call, path: str, names: Mapping[str, Any]) -> Guess | None:
    try:
        if any(k.arg is None for k in call.keywords):
            return None
        args = tuple(value_of(a, names) for a in call.args)
        kwargs = {k.arg: value_of(k.value, names) for k in call.keywords if k.arg}
    except ValueError:
        return None
    return Guess(args, kwargs, Origin.FOUND, location_of(call, path))
