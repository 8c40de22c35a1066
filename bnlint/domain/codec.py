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


def encode(value: Any) -> Any:
    """Plain lists, dicts, strings and numbers that ``json.dumps`` takes; sets are sorted."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {k: encode(v) for k, v in value.items()}
    kind: Any = type(value)
    return [encode(getattr(value, name)) for name in _names(kind)]


def decode(kind: type[T], data: Any) -> T:
    """The dataclass ``kind`` rebuilt from what :func:`encode` made of it."""
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
        return lambda data: tuple(map(each, data))
    if origin is tuple:
        parts = tuple(map(_decoder, arguments))
        return lambda data: tuple(p(d) for p, d in zip(parts, data, strict=True))
    if origin is frozenset:
        return frozenset
    if origin in (Mapping, dict):
        value = _decoder(arguments[1])
        return lambda data: {k: value(v) for k, v in data.items()}
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(arguments)
    return _plain


def _dataclass_decoder(kind: type) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    fields = [(name, hints[name]) for name in _names(kind)]
    decoders: list[Callable[[Any], Any]] = []

    def build(data: Any) -> Any:
        if not decoders:
            decoders.extend(_decoder(hint) for _, hint in fields)
        return kind(*(decoder(item) for decoder, item in zip(decoders, data, strict=True)))

    return build


def _union_decoder(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    """A decoder for ``X | None``; unions of plain values (facts) fall to :func:`_plain`."""
    rest = [a for a in arguments if a is not type(None)]
    if len(rest) != 1:
        return _plain
    inner = _decoder(rest[0])
    return lambda data: None if data is None else inner(data)


def _plain(data: Any) -> Any:
    """A fact's value: lists become tuples, everything else stays."""
    return tuple(map(_plain, data)) if isinstance(data, list) else data
