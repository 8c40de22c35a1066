"""Frozen dataclasses to JSON-ready data and back, driven by their type hints.

Used for the pipe to the worker and for the cache, so a decoder is built once per class.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, TypeVar, cast

T = TypeVar("T")

_SCALARS = frozenset({str, int, float, bool, type(None)})
"""Values that are encoded as they are; most of a graph consists of them, so they come first."""


def encode(value: Any) -> Any:
    """Plain lists, dicts, strings and numbers that ``json.dumps`` takes; sets are sorted."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, (tuple, list)):
        return [v if type(v) in _SCALARS else encode(v) for v in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {k: v if type(v) in _SCALARS else encode(v) for k, v in value.items()}
    if isinstance(value, (bool, int, float, str)):
        return value
    kind: Any = type(value)
    return [encode(getattr(value, name)) for name in _names(kind)]


def decode(kind: type[T], data: Any) -> T:
    """The dataclass ``kind`` rebuilt from the result of :func:`encode`.

    Raises
    ------
    ValueError
        The data is not the result of :func:`encode` for this kind.

    """
    hint: Any = kind
    try:
        return cast(T, _decoder(hint)(data))
    except (TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError(f"this is no {hint}: {error}") from error


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


@cache
def _decoder(hint: Any) -> Callable[[Any], Any]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass_decoder(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (tuple, frozenset) and (origin is frozenset or arguments[-1] is Ellipsis):
        return _sequence_decoder(origin, arguments[0])
    if origin is tuple:
        parts = tuple(map(_decoder, arguments))
        return lambda data: tuple(p(d) for p, d in zip(parts, data, strict=True))
    if origin in (Mapping, dict):
        value = _decoder(arguments[1])
        return lambda data: {
            k: v if type(v) in _SCALARS and value is _plain else value(v) for k, v in data.items()
        }
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in arguments if a is not type(None)]
        if len(rest) == 1:  # other unions are of plain values: facts
            inner = _decoder(rest[0])
            return lambda data: None if data is None else inner(data)
    return partial(_scalar, _types(hint)) if hint in _SCALARS else _plain


def _sequence_decoder(made: Any, hint: Any) -> Callable[[Any], Any]:
    if hint not in _SCALARS:
        each = _decoder(hint)
        return lambda data: made(map(each, _list(data)))
    allowed = _types(hint)

    def build(data: Any) -> Any:
        for value in _list(data):
            if type(value) not in allowed:
                _scalar(allowed, value)
        return made(data)

    return build


def _dataclass_decoder(kind: type) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    fields = [hints[name] for name in _names(kind)]
    scalars = [(i, _types(hint)) for i, hint in enumerate(fields) if hint in _SCALARS]
    steps: list[tuple[int, Callable[[Any], Any]]] = []
    ready = False

    def build(data: Any) -> Any:
        nonlocal ready
        if not ready:  # only now, because a class may contain itself
            steps.extend((i, _decoder(h)) for i, h in enumerate(fields) if h not in _SCALARS)
            ready = True
        if type(data) is not list or len(data) != len(fields):
            raise ValueError(f"{kind.__name__} is a list of {len(fields)} fields")
        values = data.copy()
        for index, allowed in scalars:
            if type(values[index]) not in allowed:
                _scalar(allowed, values[index])
        for index, decoder in steps:
            values[index] = decoder(values[index])
        return kind(*values)

    return build


def _types(hint: Any) -> tuple[type, ...]:
    """The types of a scalar as JSON has them: a whole number may be meant as a fraction."""
    return (float, int) if hint is float else (hint,)


def _scalar(allowed: tuple[type, ...], data: Any) -> Any:
    if type(data) not in allowed:
        raise ValueError(f"{allowed[0].__name__} expected, not {type(data).__name__}")
    return data


def _list(data: Any) -> list[Any]:
    if type(data) is not list:
        raise ValueError(f"a list expected, not {type(data).__name__}")
    return data


def _plain(data: Any) -> Any:
    """A fact's value: lists become tuples, everything else stays."""
    return tuple(map(_plain, data)) if isinstance(data, list) else data
