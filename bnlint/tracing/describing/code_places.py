"""Where a call is in the source of its function: its expression, and the loop around it."""

from __future__ import annotations

import itertools
from functools import lru_cache
from types import CodeType

from bnlint.loading.sites import is_users
from bnlint.models.reading.liveness import FunctionSource
from bnlint.tracing.modes.reads_of_mode import tree_of


def is_in_loop(code: CodeType, instruction: int) -> bool:
    """Whether a loop of the user's function runs an instruction."""
    return loop_line(code, instruction) > 0


def loop_line(code: CodeType, instruction: int) -> int:
    """The first line of the innermost loop of the user's function around it; 0 without one."""
    source = source_of(code) if is_users(code.co_filename) else None
    node = source.expression(span_of(code, instruction)) if source is not None else None
    return source.loop_line(node) if source is not None and node is not None else 0


def span_of(code: CodeType, instruction: int) -> tuple[int | None, ...]:
    """The lines and columns of an instruction."""
    return next(itertools.islice(code.co_positions(), instruction // 2, None), ())


@lru_cache(maxsize=512)
def source_of(code: CodeType) -> FunctionSource | None:
    """The source of a function; None where it is not available."""
    tree = tree_of(code)
    return None if tree is None else FunctionSource(tree)
