"""From an error to the arguments that it is about, by the frames that it passed through.

The position of the failing instruction names an expression; its names are followed through
assignments, attributes of ``self`` and the calls of the frames above, up to the model's parameters.
"""

from __future__ import annotations

import ast
import itertools
import linecache
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import Any

from bnlint.loading.sites import is_local, is_machinery
from bnlint.models.evidence.callees import bound, names_of_arguments
from bnlint.models.outline import attributes_set

Path = tuple[str, ...]
"""A parameter, and the keys of a setting in it."""

_FOLLOWED = 6
"""Assignments that are followed for one name."""


@dataclass(frozen=True, slots=True)
class ErrorAt:
    """One frame of an error: where its function is defined, and the expression that failed."""

    frame: FrameType
    function: ast.FunctionDef
    node: ast.AST

    def value(self, node: ast.expr) -> Any:
        """The value of a plain name, attribute or item in the frame; None if it has none."""
        try:
            code = compile(ast.Expression(node), "<blamed>", "eval")
            return eval(code, self.frame.f_globals, self.frame.f_locals)
        except Exception:
            return None


@dataclass(frozen=True, slots=True)
class Blame:
    """An expression in the failing line, its value, and the parameters that it depends on."""

    node: ast.expr
    value: Any
    paths: tuple[Path, ...]


def spots_of(error: BaseException) -> list[ErrorAt]:
    """The frames of the user's code, the outermost first."""
    found: list[ErrorAt] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_local(code.co_filename) and not is_machinery(code.co_filename):
            spot = _spot(trace.tb_frame, code, trace.tb_lasti)
            if spot is not None:
                found.append(spot)
        trace = trace.tb_next
    return found


def blamed(spots: list[ErrorAt]) -> list[Blame]:
    """What the failing expression reads, with the parameters behind each, the closest first."""
    if not spots:
        return []
    last = len(spots) - 1
    found = []
    for node in _with_owners(_read(spots[last].node)):
        paths = tuple(dict.fromkeys(_origins(spots, last, node, _FOLLOWED)))
        found.append(Blame(node, spots[last].value(node), paths))
    return [each for each in found if each.paths]


def _with_owners(nodes: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """What is read, and what it is an attribute of: ``name.lower()`` is about ``name``."""
    for node in nodes:
        yield node
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "self":
            yield node.value


def guards(spot: ErrorAt) -> list[ast.expr]:
    """The conditions above a ``raise``, or of an ``assert``, that failed in a frame, nearest first.

    Those of the whole chain of ``if`` and ``elif`` are meant where it raises in the end.
    """
    line = spot.frame.f_lineno
    lines = [getattr(spot.node, "lineno", line)]
    found: list[ast.expr] = []
    for node in ast.walk(spot.function):
        if (isinstance(node, ast.Assert) and node.lineno <= lines[0] <= (node.end_lineno or 0)) or (
            isinstance(node, ast.If) and node.lineno <= lines[0] <= (node.end_lineno or 0)
        ):
            found.append(node.test)
        elif isinstance(node, ast.Match) and node.lineno <= lines[0] <= (node.end_lineno or 0):
            found += [p.value for p in ast.walk(node) if isinstance(p, ast.MatchValue)]
            found.append(node.subject)
    return found[::-1]


def names_in_guards(error: BaseException) -> Iterator[str]:
    """The parameters that the conditions of an ``assert``, or above a failing line, are about."""
    spots = spots_of(error)
    for test in guards(spots[-1]) if spots else ():
        for node in (n for n in ast.walk(test) if isinstance(n, (ast.Name, ast.Attribute))):
            yield from (path[0] for path in origins(spots, node))


def origins(spots: list[ErrorAt], node: ast.expr) -> tuple[Path, ...]:
    """The parameters that an expression of the innermost frame depends on."""
    return tuple(dict.fromkeys(_origins(spots, len(spots) - 1, node, _FOLLOWED)))


def _spot(frame: FrameType, code: CodeType, instruction: int) -> ErrorAt | None:
    text = "".join(linecache.getlines(code.co_filename))
    function = _functions(text).get((code.co_name, code.co_firstlineno))
    if function is None:
        return None
    position = next(itertools.islice(code.co_positions(), instruction // 2, None), None)
    if position is None or position[0] is None:
        return None
    node = _node_at(function, position)
    return None if node is None else ErrorAt(frame, function, node)


@lru_cache(maxsize=32)
def _functions(text: str) -> dict[tuple[str, int], ast.FunctionDef]:
    """The functions of a file's text by name and first line, as compiled code knows them."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[tuple[str, int], ast.FunctionDef] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name, first] = node
    return found


def _node_at(function: ast.FunctionDef, position: tuple[int | None, ...]) -> ast.AST | None:
    """The smallest node that covers a position of the compiler; of what is unpacked, the whole."""
    line, end_line, column, end_column = (p or 0 for p in position)
    best: ast.AST | None = None
    whole: ast.AST | None = None
    for node in ast.walk(function):
        if not isinstance(node, (ast.expr, ast.stmt)):
            continue
        start, end = (
            (node.lineno, node.col_offset),
            (node.end_lineno or 0, node.end_col_offset or 0),
        )
        if start <= (line, column) and end >= (end_line, end_column):
            best = node  # inner ones come later
            whole = node if isinstance(node, ast.stmt) else whole
    target = isinstance(best, (ast.Tuple, ast.List)) and isinstance(best.ctx, ast.Store)
    return whole if target else best


def _read(node: ast.AST) -> Iterator[ast.expr]:
    """The names, attributes and items that an expression reads, not those inside of another."""
    if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
        yield node
    elif isinstance(node, ast.Subscript):
        yield node.value
        yield from _read(node.slice)
    elif isinstance(node, ast.Call):
        for part in (*node.args, *(k.value for k in node.keywords), node.func):
            yield from _read(part.value if isinstance(part, ast.Starred) else part)
    elif isinstance(node, (ast.For, ast.comprehension)):
        yield from _read(node.iter)
    elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
        return
    else:
        for child in ast.iter_child_nodes(node):
            yield from _read(child)


def _origins(spots: list[ErrorAt], level: int, node: ast.expr, left: int) -> Iterator[Path]:
    if left == 0:
        return
    root, keys = _chain(node)
    if root is None:
        for part in _read(node):
            if part is not node:
                yield from _origins(spots, level, part, left - 1)
        return
    names = names_of_arguments(spots[level].function)
    if root in names and root != "self" and level == 0:
        yield (root, *keys)
        return
    sources: Iterable[tuple[ast.expr, int]]
    if root == "self" and keys:
        name, *keys = keys
        sources = _stored(spots, level, name)
    elif root in names:
        sources = ((value, level - 1) for value in _passed(spots[level - 1], names, root))
    else:
        sources = ((value, level) for value in _assigned(spots[level].function, root))
    for value, where in sources:
        yield from ((*path, *keys) for path in _origins(spots, where, value, left - 1))


def _chain(node: ast.expr) -> tuple[str | None, list[str]]:
    """The name at the root of ``cfg.model["depth"]`` and the keys; items by number are left out."""
    keys: list[str] = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute):
            keys.insert(0, node.attr)
        elif isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            keys.insert(0, node.slice.value)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else None), keys


def _stored(spots: list[ErrorAt], level: int, name: str) -> Iterator[tuple[ast.expr, int]]:
    """What was assigned to an attribute of ``self``, in the innermost frame that does it."""
    for where in range(level, -1, -1):
        for target, value in attributes_set(spots[where].function):
            if target.attr == name:
                yield value, where
                return


def _passed(caller: ErrorAt, names: list[str], name: str) -> Iterator[ast.expr]:
    """The argument of the call in a frame that becomes a parameter of the next one."""
    call = caller.node
    if not isinstance(call, ast.Call):
        return
    own = names[1:] if names[:1] == ["self"] else names
    yield from (value for parameter, value in bound(call, own) if parameter == name)


def _assigned(function: ast.FunctionDef, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, (ast.For, ast.comprehension)):
            targets, value = [node.target], node.iter
        if any(isinstance(n, ast.Name) and n.id == name for t in targets for n in ast.walk(t)):
            yield value
