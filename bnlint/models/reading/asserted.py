"""What a forward asserts of its arguments: their number of axes, or of items."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from torch import nn

from bnlint.domain.objects import is_a
from bnlint.models.reading.scope import Namespace, constant

_COUNTED = (list, tuple, dict, nn.ModuleList, nn.ModuleDict, nn.Sequential)


def asserted(node: ast.stmt) -> Iterator[ast.Compare]:
    """The equations that hold after a statement: ``assert a == b``, ``if a != b: raise``."""
    match node:
        case ast.Assert(test=test):
            yield from _equations(test, ast.And, ast.Eq)
        case ast.If(test=test, body=[ast.Raise()]):
            yield from _equations(test, ast.Or, ast.NotEq)


def _equations(
    test: ast.expr, joined: type[ast.boolop], operator: type[ast.cmpop]
) -> Iterator[ast.Compare]:
    parts = [test]
    if isinstance(test, ast.BoolOp) and isinstance(test.op, joined):
        parts = test.values
    for part in parts:
        if isinstance(part, ast.Compare) and [type(op) for op in part.ops] == [operator]:
            yield part


def note_asserted(scope: Namespace, equation: ast.Compare) -> None:
    """Note ``x.dim() == 4``, ``len(x.shape) == 4`` and ``len(maps) == len(self.channels)``."""
    wanted = _number(scope, equation.comparators[0])
    if wanted is None:
        return
    match equation.left:
        case (
            ast.Call(func=ast.Attribute(value=value, attr="dim" | "ndimension"))
            | ast.Attribute(value=value, attr="ndim")
        ):
            if (use := scope.use(value)) is not None:
                use.has_rank(wanted)
        case ast.Call(func=ast.Name(id="len"), args=[value]):
            if (shaped := scope.shape_of(value)) is not None:
                shaped.has_rank(wanted)
            elif (use := scope.use(value)) is not None:
                use.length, use.iterated = wanted, True


def _number(scope: Namespace, node: ast.expr) -> int | None:
    """A literal, an attribute of the model that is a number, or the length of one."""
    match node:
        case ast.Call(func=ast.Name(id="len"), args=[ast.Attribute(value=value, attr=attr)]):
            held: Any = getattr(scope.module(value), attr, None)
            found = len(held) if is_a(held, _COUNTED) else None
        case ast.Attribute(value=value, attr=attr):
            found = getattr(scope.module(value), attr, None)
        case _:
            found = constant(node)
    return found if type(found) is int else None
