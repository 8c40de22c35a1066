"""Checks in a forward that raise an error for some numbers: ``if mask.sum() == 0: raise ...``.

A call of a model passes its checks. So where the numbers are random ones, a check is answered so
that the forward goes on.
"""

from __future__ import annotations

import ast
import dis
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType

import torch

from bnlint.loading.parsing import tree_of_file
from bnlint.loading.sites import is_machinery

_Span = tuple[int | None, int | None, int | None, int | None]
"""The first and last line of an expression, and its columns in bytes."""

_TORCH_CHECKS = frozenset(
    getattr(torch, name).__code__
    for name in ("_check_tensor_all_with", "_check_tensor_all", "_assert")
    if hasattr(torch, name)
)
"""Functions of torch that raise an error unless what they ask for is true."""


def passing_answer() -> bool | None:
    """The answer with which the code that asks goes on; None if it goes on with either."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_machinery(frame.f_code.co_filename):
        if frame.f_code in _TORCH_CHECKS:
            return True
        frame = frame.f_back
    return None if frame is None else _asked_at(frame.f_code, frame.f_lasti)


@lru_cache(maxsize=1024)
def _asked_at(code: CodeType, instruction: int) -> bool | None:
    answers, here = _answers_in(code.co_filename), max(instruction, 0)
    before = [step for step in dis.get_instructions(code) if step.offset <= here][-2:]
    if "JUMP" not in before[-1].opname:
        before = before[-1:]
    # a jump has the place of the whole statement in Python 3.11, what comes before it its own
    places = [step.positions for step in reversed(before) if step.positions is not None]
    return next((answers[place] for place in map(tuple, places) if place in answers), None)


@lru_cache(maxsize=32)
def _answers_in(file: str) -> dict[_Span, bool]:
    """What each check in a file wants to be true or false, by the place of the expression."""
    tree = tree_of_file(file)
    if tree is None:
        return {}
    found: dict[_Span, bool] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.update(_wanted(node.test, True))
        elif isinstance(node, ast.If) and _raises(node.body):
            found.update(_wanted(node.test, False))
        elif isinstance(node, ast.If) and _raises(node.orelse):
            found.update(_wanted(node.test, True))
    return found


def _raises(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Raise)


def _wanted(test: ast.expr, value: bool) -> Iterator[tuple[_Span, bool]]:
    """What each operand of a test should be so that the test has this value."""
    if isinstance(test, ast.BoolOp):
        for operand in test.values:
            yield from _wanted(operand, value)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _wanted(test.operand, not value)
        yield _span(test), value
    else:
        yield _span(test), value


def _span(node: ast.expr) -> _Span:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
