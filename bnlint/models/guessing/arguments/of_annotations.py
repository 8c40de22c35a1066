"""What the annotation of a constructor's parameter says of its values."""

from __future__ import annotations

import argparse
import collections.abc
import contextlib
import enum
import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import home_of, is_a
from bnlint.loading.missing.stand_ins import Stub
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.lexicon import Profile, word

_PLAIN = ("builtins", "inspect", "typing", "types", "collections.abc")
_BAGS = (dict, collections.abc.Mapping, argparse.Namespace, types.SimpleNamespace)
"""Types of settings objects that may hold any settings."""
_LISTS = (list, tuple, set)
"""Types that do not say what they hold."""
_NOTHING = inspect.Parameter.empty


def annotation_of(parameter: inspect.Parameter, names: Mapping[str, Any]) -> Any:
    """The annotation of a parameter; the names are those of its module."""
    hint = parameter.annotation
    for _ in range(2):  # a text that is postponed itself
        try:
            hint = eval(hint, dict(names)) if isinstance(hint, str) else hint
        except Exception:  # names that only a type checker imports
            return _NOTHING
    return _NOTHING if isinstance(hint, str) else hint


def origin_of(hint: Any) -> Any:
    """What a generic type is made of, else the type itself."""
    return typing.get_origin(hint) or hint


def is_open(hint: Any, use: ParameterUse) -> bool:
    """True without an annotation, and where it does not say which settings are read."""
    if hint in (_NOTHING, Any) or is_a(hint, Stub) or (hint in _LISTS and use.sequence):
        return True
    options = [origin_of(option) for option in (hint, *typing.get_args(hint))]
    return bool(use.fields or use.keyed) and any(option in _BAGS for option in options)


def is_class_of_settings(hint: Any) -> bool:
    """True for a class of the user or a library whose instances may hold settings."""
    kinds = (nn.Module, torch.Tensor)
    return isinstance(hint, type) and home_of(hint) not in _PLAIN and not issubclass(hint, kinds)


def fitted_to(hint: Any, value: Any, use: ParameterUse) -> Iterator[Any]:
    """The value in the form that an annotation asks for; nothing if the annotation excludes it."""
    origin = origin_of(hint)
    if hint in (_NOTHING, Any):
        yield value
    elif hint in (float, bool):
        yield hint(value[0] if isinstance(value, tuple) else value)
    elif hint is int and not isinstance(value, bool):
        yield value[0] if isinstance(value, tuple) else int(value)
    elif origin in (tuple, list, collections.abc.Sequence, collections.abc.Iterable):
        sizes = [a for a in typing.get_args(hint) if a is not ...]
        count = len(sizes) if origin is tuple and len(sizes) > 1 else max(2, use.items)
        items = value if isinstance(value, tuple) else (value,) * count
        yield tuple(items) if origin is tuple else list(items)
    elif origin in (typing.Union, types.UnionType):
        for option in typing.get_args(hint):
            yield from fitted_to(option, value, use)


def by_annotation(hint: Any, name: str, profile: Profile) -> Iterator[Any]:
    """Values of the type that an annotation asks for."""
    if hint in (_NOTHING, Any):
        return
    if type(None) in typing.get_args(hint):
        yield None
    elif origin_of(hint) in (typing.Union, types.UnionType):
        for option in typing.get_args(hint):
            yield from by_annotation(option, name, profile)
    elif origin_of(hint) is typing.Literal:
        yield typing.get_args(hint)[0]
    elif origin_of(hint) in (dict, collections.abc.Mapping):
        yield {}
    elif origin_of(hint) is tuple:
        yield from _of_tuple(typing.get_args(hint), name, profile)
    elif origin_of(hint) in (list, collections.abc.Sequence) and typing.get_args(hint):
        yield from ([item] * 2 for item in by_annotation(typing.get_args(hint)[0], name, profile))
    elif isinstance(hint, type):
        yield from _of_type(hint, name, profile)


def _of_tuple(inner: tuple[Any, ...], name: str, profile: Profile) -> Iterator[Any]:
    """``tuple[int, ...]`` with two items, ``tuple[int, str]`` with these."""
    parts = inner[:1] * 2 if inner[-1:] == (...,) else inner
    items = [next(by_annotation(part, name, profile), None) for part in parts]
    if items and None not in items:
        yield tuple(items)


def _of_type(hint: type, name: str, profile: Profile) -> Iterator[Any]:
    plain = {bool: False, float: 0.1, int: profile.channels_in, str: word(name)}
    if hint in plain:
        yield plain[hint]
    elif hint is torch.device:
        yield torch.device("cpu")
    elif issubclass(hint, enum.Enum):
        yield next(iter(hint))
    elif is_class_of_settings(hint):
        with contextlib.suppress(Exception):  # it needs arguments, or refuses its own defaults
            yield hint()  # usually a config
