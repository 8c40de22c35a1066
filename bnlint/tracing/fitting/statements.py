"""The statement of the user's code that raised an error, and the tensors that it names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

import torch

from bnlint.loading.sites import is_machinery
from bnlint.tracing.modes.reads_of_mode import tree_of


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and the frame that ran it."""

    node: ast.stmt
    frame: FrameType


def failed_statement(error: BaseException) -> Statement | None:
    """The innermost statement of the user's code that an error passed; None without its source."""
    found: tuple[FrameType, int] | None = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        own = not is_machinery(code.co_filename) and "site-packages" not in code.co_filename
        if own or (found is None and not is_machinery(code.co_filename)):
            found = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    if found is None:
        return None
    frame, line = found
    statements = [n for n in _statements(frame.f_code) if n.lineno <= line <= (n.end_lineno or 0)]
    node = min(statements, key=lambda n: (n.end_lineno or 0) - n.lineno, default=None)
    return Statement(node, frame) if node is not None else None


def tensors_named(statement: Statement) -> Iterator[torch.Tensor]:
    """The values of the names in a statement that are tensors, in their order."""
    for name in _loaded(statement.node):
        value = statement.frame.f_locals.get(name)
        if isinstance(value, torch.Tensor):
            yield value


def asserted_rank(statement: Statement) -> int | None:
    """The rank that ``assert len(x.shape) == 4`` or ``assert x.dim() == 4`` asks for."""
    node = statement.node
    if not isinstance(node, ast.Assert) or not isinstance(node.test, ast.Compare):
        return None
    text, right = ast.unparse(node.test.left), node.test.comparators[0]
    ranked = text.endswith((".dim()", ".ndim", ".ndimension()")) or text.startswith("len(")
    if ranked and isinstance(right, ast.Constant) and isinstance(right.value, int):
        return right.value
    return None


def compared(statement: Statement) -> tuple[int, int] | None:
    """The numbers of ``assert t <= self.longest`` or of ``if t > self.longest: raise``."""
    node = statement.node
    test = node.test if isinstance(node, ast.Assert) else _condition_around(statement)
    if not isinstance(test, ast.Compare) or len(test.comparators) != 1:
        return None
    known = statement.frame.f_locals
    left, right = _number(test.left, known), _number(test.comparators[0], known)
    return (left, right) if left is not None and right is not None else None


def _condition_around(statement: Statement) -> ast.expr | None:
    if not isinstance(statement.node, ast.Raise):
        return None
    conditions = (n for n in _statements(statement.frame.f_code) if isinstance(n, ast.If))
    return next((n.test for n in conditions if statement.node in n.body), None)


def _number(node: ast.expr, known: Mapping[str, Any]) -> int | None:
    """The value of a literal, a name, an attribute of one, or a size of a tensor."""
    value: Any = None
    match node:
        case ast.Constant(value=value):
            pass
        case ast.Name(id=name):
            value = known.get(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            value = getattr(known.get(name), "__dict__", {}).get(attr)
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=name), attr="shape"), slice=index):
            value = _size(known.get(name), index)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="size"), args=[index]):
            value = _size(known.get(name), index)
    return value if type(value) is int else None


def _size(tensor: Any, index: ast.expr) -> int | None:
    axis = ast.literal_eval(index) if isinstance(index, (ast.Constant, ast.UnaryOp)) else None
    if not isinstance(tensor, torch.Tensor) or type(axis) is not int:
        return None
    return tensor.shape[axis] if -tensor.ndim <= axis < tensor.ndim else None


def _loaded(node: ast.stmt) -> list[str]:
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return list(dict.fromkeys(n.id for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))))


@lru_cache(maxsize=256)
def _statements(code: CodeType) -> tuple[ast.stmt, ...]:
    tree = tree_of(code)
    return tuple(n for n in ast.walk(tree) if isinstance(n, ast.stmt)) if tree else ()
