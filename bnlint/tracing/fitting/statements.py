"""The statement of the user's code that raised an error, and the tensors that it names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType

import torch

from bnlint.loading.sites import is_machinery


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


def _loaded(node: ast.stmt) -> list[str]:
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return list(dict.fromkeys(n.id for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))))


@lru_cache(maxsize=256)
def _statements(code: CodeType) -> tuple[ast.stmt, ...]:
    try:
        lines, first = inspect.getsourcelines(code)
        indented = lines[0][:1].isspace()
        tree = ast.parse(("if 1:\n" if indented else "") + "".join(lines))
    except (OSError, SyntaxError, TypeError):
        return ()
    ast.increment_lineno(tree, first - 1 - indented)
    return tuple(n for n in ast.walk(tree) if isinstance(n, ast.stmt))
