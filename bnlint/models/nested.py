"""Tensors inside dicts, lists, tuples and dataclasses: counting, moving, slicing, collecting."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

Change = Callable[[Tensor], Tensor]


_SINGLE = frozenset((int, float, bool, str, type(None), torch.dtype, torch.device))
"""The types of most arguments that are no tensors; asking for their kind takes longer."""


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor inside ``value``, in order."""
    return iter(tensors_in(value))


def tensors_in(value: Any) -> list[Tensor]:
    """Every tensor inside ``value``, in order, as a list."""
    found: list[Tensor] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Tensor]) -> None:
    kind: Any = type(value)
    if kind is Tensor or isinstance(value, Tensor):
        found.append(value)
    elif kind is tuple or kind is list:
        for item in value:
            if type(item) not in _SINGLE:
                _collect(item, found)
    elif kind is dict:
        for item in value.values():
            if type(item) not in _SINGLE:
                _collect(item, found)
    elif (held := _reader_of(kind)) is not None:
        for item in held(value):
            _collect(item, found)


@lru_cache(maxsize=1024)
def _reader_of(kind: type) -> Callable[[Any], Iterable[Any]] | None:
    """What reads the items of a container of this type; None for what is no container."""
    if issubclass(kind, (tuple, list)):
        return iter
    if issubclass(kind, Mapping):
        return _values
    if issubclass(kind, slice):
        return _bounds
    if dataclasses.is_dataclass(kind):
        return _fields
    return None


def _values(value: Any) -> Iterable[Any]:
    return value.values()  # type: ignore[no-any-return]


def _bounds(value: Any) -> Iterable[Any]:
    return value.start, value.stop, value.step


def _fields(value: Any) -> Iterable[Any]:
    return (getattr(value, field.name) for field in dataclasses.fields(value))


def placed(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    """Every object of a kind inside ``value``, in the order of :func:`tensors`, with its place.

    That is the indices, keys and names of fields on the way to it, joined by dots.
    """
    inside: Any = ()
    if isinstance(value, kind):
        yield "", value
    elif isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, (tuple, list)):
        inside = enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        inside = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
    for key, item in inside:
        for place, found in placed(item, kind):
            yield f"{key}.{place}".removesuffix("."), found


def mapped(value: Any, change: Change) -> Any:
    """``value`` with every tensor changed, in containers of the same kind."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        same = {k: mapped(v, change) for k, v in value.items()}
        return same if type(value) is dict else _rebuilt(value, same)
    if _is_named(value):
        return type(value)._make(mapped(v, change) for v in value)
    if isinstance(value, (tuple, list)):
        return type(value)([mapped(v, change) for v in value])
    if isinstance(value, slice):
        return slice(*(mapped(v, change) for v in (value.start, value.stop, value.step)))
    return value


def _is_named(value: Any) -> bool:
    """True for a named tuple; its ``_make`` skips what a class checks in its constructor."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _rebuilt(value: dict[Any, Any], same: dict[Any, Any]) -> Any:
    try:
        return type(value)(same)
    except TypeError:
        return same


def samples(value: Any) -> int:
    """The number of samples: the size of dimension 0 of the first tensor that has one; else 0."""
    return next((t.shape[0] for t in tensors(value) if t.ndim > 0), 0)


def part(value: Any, total: int, chosen: slice | Tensor) -> Any:
    """``value`` with the chosen samples of each tensor that holds ``total`` of them."""

    def picked(t: Tensor) -> Tensor:
        if not t.ndim or t.shape[0] != total:
            return t
        return t[chosen.to(t.device) if isinstance(chosen, Tensor) else chosen]

    return mapped(value, picked)


def moved(value: Any, device: torch.device) -> Any:
    """``value`` on ``device``; detached, so that nothing of the user's graph is touched."""
    return mapped(value, lambda t: (t.clone() if t.is_inference() else t).detach().to(device))


def joined(values: list[Any]) -> Any:
    """Values of the same structure, concatenated along dimension 0; the rest is from the first."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(values) if first.ndim else first
    if isinstance(first, dict):
        return {k: joined([v[k] for v in values]) for k in first}
    if isinstance(first, (tuple, list)):
        return type(first)(joined(list(group)) for group in zip(*values, strict=True))
    return first


def with_tensors(value: Any, change: Change) -> Any:
    """``value`` with ``change(tensor)`` for each tensor, also in objects (a batch of graphs)."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return change(leaf)
        if _is_named(leaf):
            return type(leaf)._make(with_tensors(list(leaf), change))
        if not hasattr(leaf, "__dict__") or isinstance(leaf, nn.Module):
            return leaf
        try:
            with copies(change):
                return copy.deepcopy(leaf)
        except Exception:  # what cannot be copied is passed as it is
            return leaf

    return pytree.tree_map(one, value, is_leaf=_is_named)


@contextlib.contextmanager
def copies(change: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Let the deep copy of a tensor be ``change`` of it, unless that is None."""
    kind: Any = Tensor
    plain = kind.__deepcopy__

    def copied(tensor: Tensor, known: dict[int, Any]) -> Any:
        if id(tensor) not in known:  # a tensor that is held twice stays one
            changed = change(tensor)
            known[id(tensor)] = plain(tensor, known) if changed is None else changed
        return known[id(tensor)]

    kind.__deepcopy__ = copied
    try:
        yield
    finally:
        kind.__deepcopy__ = plain
