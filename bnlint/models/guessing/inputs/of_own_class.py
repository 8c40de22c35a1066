"""Inputs whose annotation is a class of the user's that holds them: a named tuple, a dataclass."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import home_of
from bnlint.loading.sites import file_of, is_local

_NO_HOLDERS = (nn.Module, torch.Tensor, Enum, BaseException, str, int, float)


def parts_of(hint: Any) -> Mapping[str, Any]:
    """The annotations of what a class of the user's holds, by name; empty for any other hint."""
    if not isinstance(hint, type) or not is_local(file_of(sys.modules.get(home_of(hint)))):
        return {}
    if typing.is_typeddict(hint) or hasattr(hint, "_fields"):
        return {name: _hint(hint, name) for name in _named(hint)}
    if dataclasses.is_dataclass(hint):
        needed = (f for f in dataclasses.fields(hint) if f.init and not _has_default(f))
        return {f.name: _hint(hint, f.name) for f in needed}
    return {} if issubclass(hint, _NO_HOLDERS) else _parameters(hint)


def made(hint: Any, values: Mapping[str, Any]) -> list[Any]:
    """An object of the class that holds these values; none if it refuses them."""
    try:
        return [hint(**values)]
    except Exception:  # the user's constructor may raise anything
        return []


def _named(hint: Any) -> list[str]:
    keys: Any = getattr(hint, "_fields", None) or getattr(hint, "__required_keys__", ())
    return [name for name in hint.__annotations__ if name in keys]


def _parameters(hint: type) -> Mapping[str, Any]:
    """What the constructor of a plain class must be given."""
    if "__init__" not in vars(hint):
        return {}
    try:
        parameters = inspect.signature(hint).parameters.values()
    except (TypeError, ValueError):
        return {}
    plain = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
    return {p.name: p.annotation for p in plain}


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _hint(hint: type, name: str) -> Any:
    found = hint.__annotations__.get(name, inspect.Parameter.empty)
    module = sys.modules.get(home_of(hint))
    return getattr(module, found, found) if isinstance(found, str) else found
