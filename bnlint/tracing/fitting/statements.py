"""The statement that raised an error, its condition, and the values that it names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import is_a
from bnlint.loading.sites import is_machinery
from bnlint.tracing.modes.reads_of_mode import tree_of


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and the frame that ran it."""

    node: ast.stmt
    frame: FrameType


def failed_statement(error: BaseException) -> Statement | None:
    """The innermost statement of the user's code that an error passed; None without its source."""
    return next(failed_statements(error), None)


def failed_statements(error: BaseException) -> Iterator[Statement]:
    """The innermost statement of the user's code that an error passed, then that of a library."""
    passed = []
    trace = error.__traceback__
    while trace is not None:
        if not is_machinery(trace.tb_frame.f_code.co_filename):
            passed.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    own = [each for each in passed if "site-packages" not in each[0].f_code.co_filename]
    for frame, line in dict.fromkeys((*own[-1:], *passed[-1:])):
        around = [n for n in statements_of(frame.f_code) if n.lineno <= line <= (n.end_lineno or 0)]
        node = min(around, key=lambda n: (n.end_lineno or 0) - n.lineno, default=None)
        if node is not None:
            yield Statement(node, frame)


def values_named(statement: Statement) -> Iterator[Any]:
    """The values of the names in a statement, in their order."""
    known = statement.frame.f_locals
    yield from (known[name] for name in _loaded(statement.node) if name in known)


def keys_looked_up(statement: Statement) -> list[Any]:
    """The keys of the dict that a statement indexes with a value: ``self.heads[task]``."""
    for node in ast.walk(statement.node):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            held = held_by(node.value, {**statement.frame.f_globals, **statement.frame.f_locals})
            if is_a(held, (dict, nn.ModuleDict, nn.ParameterDict)):
                return [key for key in held if isinstance(key, (str, int))]
    return []


def held_by(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """What a name or an attribute holds; None for any other expression."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    holder = held_by(node.value, known)
    held = getattr(holder, "__dict__", {})
    kinds = ("_modules", "_parameters", "_buffers")
    return {**held, **{n: v for k in kinds for n, v in held.get(k, {}).items()}}.get(node.attr)


def tensors_named(statement: Statement) -> Iterator[torch.Tensor]:
    """Those of the values named in a statement that are tensors."""
    yield from (value for value in values_named(statement) if isinstance(value, torch.Tensor))


def condition_of(statement: Statement) -> tuple[ast.expr, bool] | None:
    """The condition under which a statement fails or passes, and whether it passes if it holds.

    For ``assert ok``, for ``_assert(ok, "...")`` and for an error that is raised under a condition.
    """
    match statement.node:
        case ast.Assert(test=test):
            return test, True
        case ast.Expr(
            value=ast.Call(
                func=ast.Name(id="_assert") | ast.Attribute(attr="_assert"), args=[test, *_]
            )
        ):
            return test, True
        case ast.Raise():
            conditions = (n for n in statements_of(statement.frame.f_code) if isinstance(n, ast.If))
            for node in conditions:
                if statement.node in (*node.body, *node.orelse):
                    return node.test, statement.node in node.orelse
    return None


def _loaded(node: ast.stmt) -> list[str]:
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return list(dict.fromkeys(n.id for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))))


@lru_cache(maxsize=256)
def statements_of(code: CodeType) -> tuple[ast.stmt, ...]:
    """All statements in the source of some code, inner ones included."""
    tree = tree_of(code)
    return tuple(n for n in ast.walk(tree) if isinstance(n, ast.stmt)) if tree else ()
