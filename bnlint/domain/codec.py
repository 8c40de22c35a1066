"""Frozen dataclasses to JSON-ready data and back, driven by their type hints.

Used for the pipe to the worker and for the cache, so a decoder is built once per class.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
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
    """The dataclass ``kind`` rebuilt from the result of :func:`encode`."""
    hint: Any = kind
    return cast(T, _decoder(hint)(data))


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
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        each = _decoder(arguments[0])
        return tuple if each is _same else lambda data: tuple(map(each, data))
    if origin is tuple:
        parts = tuple(map(_decoder, arguments))
        return lambda data: tuple(p(d) for p, d in zip(parts, data, strict=True))
    if origin is frozenset:
        return frozenset
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
    return _same if hint in _SCALARS else _plain


def _dataclass_decoder(kind: type) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    fields = [hints[name] for name in _names(kind)]
    steps: list[tuple[int, Callable[[Any], Any]]] = []
    ready = False

    def build(data: Any) -> Any:
        nonlocal ready
        if not ready:  # only now, because a class may contain itself
            decoders = enumerate(map(_decoder, fields))
            steps.extend((i, decoder) for i, decoder in decoders if decoder is not _same)
            ready = True
        if len(data) != len(fields):
            raise ValueError(f"{kind.__name__} has {len(fields)} fields, not {len(data)}")
        values = list(data)
        for index, decoder in steps:
            values[index] = decoder(values[index])
        return kind(*values)

    return build


def _same(data: Any) -> Any:
    return data


def _plain(data: Any) -> Any:
    """A fact's value: lists become tuples, everything else stays."""
    return tuple(map(_plain, data)) if isinstance(data, list) else data
