"""Questions about objects of the user's, whose own code is not run to answer them."""

from __future__ import annotations

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
