"""Forwards behind a decorator that does not say which function it wraps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def decorated_revealed(model: nn.Module) -> Iterator[None]:
    """Tells ``inspect``, inside the block, what the decorated forwards of a model wrap.

    ``functools.wraps`` does the same. A wrapper of ``*args, **kwargs`` says nothing of the
    arguments, but its closure holds the forward.
    """
    told = []
    for cls in {type(module) for module in model.modules()}:
        forward = vars(cls).get("forward")
        if inspect.isfunction(forward) and (inner := _wrapped(forward)) is not None:
            vars(forward)["__wrapped__"] = inner
            told.append(forward)
    try:
        yield
    finally:
        for forward in told:
            vars(forward).pop("__wrapped__", None)


def _wrapped(function: Callable[..., Any], depth: int = 4) -> Callable[..., Any] | None:
    """The only function named ``forward`` that a wrapper of any arguments calls."""
    code = getattr(function, "__code__", None)
    if code is None or not depth or hasattr(function, "__wrapped__"):
        return None
    if not code.co_flags & inspect.CO_VARARGS or code.co_argcount > 1:
        return None
    held = (_content(cell) for cell in getattr(function, "__closure__", None) or ())
    inner = [each for each in held if inspect.isfunction(each)]
    found = [f if f.__name__ == "forward" else _wrapped(f, depth - 1) for f in inner]
    forwards = [each for each in found if each is not None]
    return forwards[0] if len(forwards) == 1 else None


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None
