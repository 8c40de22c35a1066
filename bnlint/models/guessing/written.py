"""Calls and shapes that a file, or the tests beside it, already write down."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bnlint.loading.source import Source, read

_LIMIT = 12
_HARMLESS = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.UnaryOp, ast.BinOp),
    *(ast.operator, ast.unaryop, ast.expr_context, ast.Starred, ast.keyword),
)


@dataclass(frozen=True, slots=True)
class SeenCall:
    """A call of a name in some source: its arguments as far as they could be evaluated."""

    text: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    line: int = 0


def seen_calls(name: str, source: Source, names: Mapping[str, Any]) -> Iterator[SeenCall]:
    """Calls of ``name`` in the file, those under ``__main__`` first, then in its tests.

    Only arguments without side effects are evaluated: literals, names of the module, constants
    assigned in the same block. A call with any other argument is left out.
    """
    found: dict[str, SeenCall] = {}
    for tree, known in ((source.tree, names), *((t.tree, names) for t in tests_of(source))):
        for scope in scopes(tree, skip=name):
            local = constants(scope, known)
            for call in calls_in(scope, name):
                seen = _evaluated(call, name, local)
                if seen is not None and len(found) < _LIMIT:
                    found.setdefault(seen.text, seen)
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
    """The names known in a block: the given ones, defaults, and harmless assignments in it."""
    known = dict(names)
    for node in ast.walk(scope):
        if isinstance(node, ast.arguments):
            plain = [*node.posonlyargs, *node.args]
            for arg, default in zip(reversed(plain), reversed(node.defaults), strict=False):
                _bind(known, arg.arg, default)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            _bind_target(known, node.targets[0], node.value)
    return known


def value_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of a harmless expression.

    Raises
    ------
        ValueError: it may have side effects, or uses a name that is not known.

    """
    if not all(isinstance(part, _HARMLESS) for part in ast.walk(node)):
        raise ValueError("not a plain expression")
    code = compile(ast.Expression(node), "<argument>", "eval")
    try:
        return eval(code, {"__builtins__": {}}, dict(names))
    except Exception as error:
        raise ValueError(str(error)) from error


def tests_of(source: Source) -> list[Source]:
    """The parsed test files that stand next to a file by their name."""
    stem = os.path.splitext(os.path.basename(source.path))[0]
    found = []
    beside = (source.folder, os.path.join(source.folder, "tests"))
    for folder in (*beside, os.path.join(os.path.dirname(source.folder), "tests")):
        path = os.path.join(folder, f"test_{stem}.py")
        if os.path.isfile(path) and isinstance(test := read(path), Source):
            found.append(test)
    return found


def _bind(known: dict[str, Any], name: str, node: ast.expr) -> None:
    try:
        known[name] = value_of(node, known)
    except ValueError:
        return


def _bind_target(known: dict[str, Any], target: ast.expr, value: ast.expr) -> None:
    if isinstance(target, ast.Name):
        _bind(known, target.id, value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=False):
            _bind_target(known, one, part)


def _evaluated(call: ast.Call, name: str, names: Mapping[str, Any]) -> SeenCall | None:
    try:
        if any(k.arg is None for k in call.keywords):
            return None
        args = tuple(value_of(a, names) for a in call.args)
        kwargs = {k.arg: value_of(k.value, names) for k in call.keywords if k.arg}
    except ValueError:
        return None
    shown = [shown_value(a) for a in args]
    shown += [f"{key}={shown_value(value)}" for key, value in kwargs.items()]
    return SeenCall(f"{name}({', '.join(shown)})", args, kwargs, call.lineno)


def shown_value(value: Any) -> str:
    """A value as it would be written in a call."""
    if isinstance(value, type) or callable(value):
        return getattr(value, "__name__", repr(value))
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
