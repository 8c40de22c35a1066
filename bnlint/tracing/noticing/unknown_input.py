"""An input of which nothing is known yet: it notes its use, and is a value once torch takes it."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bnlint.models.lexicon import SAME_DATA
from bnlint.models.reading.scope import TENSOR_NAMES
from bnlint.tracing.forward.next_steps import (
    is_indexing,
    is_tested_after,
    names_unpacked_after,
    names_unpacked_at,
)
from bnlint.tracing.noticing.noticed_part import NoticedPart

_CALCULATING = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("and", "or", "xor", "neg", "invert", "abs"),
)
_COMPARING = ("eq", "ne", "lt", "le", "gt", "ge")
_OF_DICTS = frozenset({"keys", "values", "items", "get", "pop", "setdefault", "update", "copy"})
_OF_BATCHES = frozenset({"to", "cuda", "cpu", "contiguous", "detach", "clone"})
"""Methods that a batch of data in an object has, too."""


def part_of(value: Any) -> NoticedPart | None:
    """What is noticed of an unknown input; None for any other value."""
    return value._bnlint if type(value) is UnknownInput else None


class UnknownInput:
    """What a forward is given in place of an input, of an item of it or of an attribute."""

    __slots__ = ("_bnlint",)

    def __init__(self, part: NoticedPart) -> None:
        object.__setattr__(self, "_bnlint", part)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Refuse what is called where no forward is watched, as for any other object."""
        return NotImplemented

    def __deepcopy__(self, memo: Any) -> UnknownInput:
        return self

    def __repr__(self) -> str:
        return f"<{self._bnlint.asked.name}>"

    # --- attributes ---

    def __getattr__(self, name: str) -> Any:
        part = self._bnlint
        if name.startswith("__"):
            raise AttributeError(name)
        if name in part.attributes:
            return part.attributes[name]
        if part.is_found:
            return getattr(part.found, name)
        if name in _OF_DICTS and not part.use.tensor:
            return getattr(_Methods(self), name)
        if name in SAME_DATA:
            part.use.tensor |= name not in _OF_BATCHES
            return lambda *args, **kwargs: self
        if name not in TENSOR_NAMES:
            return part.attribute(name)
        if name == "device" and part.use.attributes:
            return torch.device("meta")
        if name in ("shape", "size") and (count := names_unpacked_after(sys._getframe(1))):
            part.use.has_rank(count)
        return getattr(part.tensor(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._bnlint.attributes[name] = value

    # --- items ---

    def __getitem__(self, key: Any) -> Any:
        part, key = self._bnlint, _value(key)
        if part.is_found:
            return part.found[key]
        if isinstance(key, slice) and (part.use.items or part.use.iterated) and part.is_list():
            return [part.item(i) for i in range(part.count)[key]]
        if _is_index(key) or (type(key) is int and not part.is_list()):
            return part.tensor()[key]
        return part.item(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        part = self._bnlint
        if isinstance(key, str) or (not part.is_found and type(key) is int and part.is_list()):
            part.items[key] = value
        else:
            part.tensor()[key] = value

    def __contains__(self, key: Any) -> bool:
        part = self._bnlint
        known = key in part.items or key in part.use.items
        if isinstance(key, str) and not known:
            part.note_literal(key)
        return known

    def __iter__(self) -> Iterator[Any]:
        part, count = self._bnlint, names_unpacked_at(sys._getframe(1))
        if part.use.keys:
            return iter(part.use.keys)
        if part.is_found or not part.is_list():
            return iter(part.tensor())
        part.holds_items()
        part.use.length = count or part.use.length
        part.use.iterated |= part.use.length is None
        return iter([part.item(i) for i in range(part.count)])

    def __len__(self) -> int:
        part = self._bnlint
        if part.is_found or not part.is_list():
            return len(part.tensor())
        return len(part.use.keys) or part.count

    # --- numbers, words and flags ---

    def __bool__(self) -> bool:
        part = self._bnlint
        if part.is_found:
            return bool(part.found)
        if part.use.items or part.use.attributes:
            return True
        part.use.flag = part.use.guarded = True
        options = part.values(part.asked)
        return options[0] if options and isinstance(options[0], bool) else True

    def __index__(self) -> int:
        part = self._bnlint
        if not part.is_found:
            part.use.counts = True
            part.use.offset |= is_indexing(sys._getframe(1))
        return int(part.value())

    __int__ = __index__

    def __float__(self) -> float:
        return float(self._bnlint.value())

    __hash__ = object.__hash__


class _Methods:
    """The methods of a dict, of an unknown one."""

    def __init__(self, whole: UnknownInput) -> None:
        self._whole = whole
        self._part: NoticedPart = whole._bnlint

    def keys(self) -> list[Any]:
        return self._part.use.keys

    def values(self) -> list[Any]:
        return [self._part.item(key) for key in self.keys()]

    def items(self) -> list[tuple[Any, Any]]:
        return [(key, self._part.item(key)) for key in self.keys()]

    def get(self, key: Any, *default: Any) -> Any:
        return self._part.item(key)

    pop = setdefault = get

    def update(self, *more: Any, **named: Any) -> None:
        self._part.items |= {**dict(*more), **named}

    def copy(self) -> UnknownInput:
        return self._whole


def _value(value: Any) -> Any:
    part = part_of(value)
    return value if part is None else part.value()


def _is_index(key: Any) -> bool:
    """True for what only tensors are indexed with: ``x[:, 0]``, but not ``x["image", 0]``."""
    if isinstance(key, tuple):
        return not any(isinstance(each, str) for each in key)
    return key is None or key is ... or isinstance(key, (slice, list, torch.Tensor))


def _operator(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The method of an operator, and that of an unknown input on its right side."""
    function = getattr(operator, f"__{name}__")

    def plain(self: UnknownInput, *others: Any) -> Any:
        self._bnlint.use.note_function("arithmetic", 0)
        return function(_value(self), *map(_value, others))

    def reflected(self: UnknownInput, other: Any) -> Any:
        self._bnlint.use.note_function("arithmetic", 0)
        return function(other, _value(self))

    return plain, reflected


def _comparison(name: str) -> Callable[..., Any]:
    """The method of a comparison, which notes words, and numbers that decide how to go on."""
    compare = getattr(operator, name)

    def compared(self: UnknownInput, other: Any) -> Any:
        number = type(other) in (int, float) and is_tested_after(sys._getframe(1))
        if isinstance(other, str) or number:
            self._bnlint.note_literal(other)
        return compare(_value(self), _value(other))

    return compared


for _name in _CALCULATING:
    _plain, _reflected = _operator(_name)
    setattr(UnknownInput, f"__{_name}__", _plain)
    setattr(UnknownInput, f"__r{_name}__", _reflected)
for _name in _COMPARING:
    setattr(UnknownInput, f"__{_name}__", _comparison(_name))
