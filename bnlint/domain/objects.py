"""Questions about objects of the user's, whose own code is not run to answer them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard, TypeVar, overload

T = TypeVar("T")


@overload
def is_a(value: Any, kinds: type[T]) -> TypeGuard[T]: ...


@overload
def is_a(value: Any, kinds: tuple[type, ...]) -> bool: ...


def is_a(value: Any, kinds: type | tuple[type, ...]) -> bool:
    """Whether the type of a value is one of ``kinds``, or derived from one.

    ``isinstance`` also asks ``value.__class__``, which may raise anything (a dead weak proxy) or
    pretend (a lazy module).
    """
    return issubclass(type(value), kinds)


def written(value: Any) -> str:
    """``repr(value)``, or the name of its type where that raises (or an int is too long)."""
    try:
        return repr(value)
    except Exception:  # the user's, or the limit of digits
        return f"<{type(value).__name__}>"


def home_of(value: Any) -> str:
    """The name of the module that a class or function says it is from; empty if it says none."""
    try:
        home = value.__module__
    except Exception:  # the user's, who may also have set it to anything
        return ""
    return home if type(home) is str else ""


def stored(values: list[Any] | tuple[Any, ...]) -> Iterator[Any]:
    """What a list or tuple holds, whatever a class derived from it shows."""
    kind: Any = list if is_a(values, list) else tuple
    held: Iterator[Any] = kind.__iter__(values)
    return held
