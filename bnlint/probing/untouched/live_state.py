"""The state that a model reaches through attributes: what it is now, and how to put it back.

Followed are containers, modules that are held unregistered, objects of the user's classes and the
attributes of those classes. Objects of other libraries (files, threads, loggers) are left alone.
"""

from __future__ import annotations

import contextlib
import operator
import random
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import MemberDescriptorType, SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_hooks
from torch.nn.parameter import is_lazy

from bnlint.domain.objects import is_a
from bnlint.probing.untouched.copy_on_write import Copy, memory
from bnlint.tracing.process_state import Restoration

_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})
"""Types without state of their own."""

_FOLLOWED = ("torch.optim.", "torch.distributions.", "argparse.", "collections.")
"""Modules of torch and the standard library whose objects are followed as the user's are."""


_GLOBAL_HOOKS = (torch_hooks._global_backward_hooks, torch_hooks._global_backward_pre_hooks)

_UNSET = object()
"""In place of a slot without a value."""


class Kept(NamedTuple):
    """What puts an object back as it is now, and the objects it holds."""

    put_back: Restoration | None = None
    parts: Iterable[Any] = ()


class LiveState:
    """All that ``model`` reaches; its ``parameters`` are not copied: few forwards write to them.

    ``hooked`` is true if code of the user's runs in the backward pass.
    """

    def __init__(self, model: nn.Module) -> None:
        self.parameters: list[nn.Parameter] = []
        self.restorations: list[Restoration] = []
        self.hooked = any(map(len, _GLOBAL_HOOKS))
        met: dict[int, Any] = {}  # kept, so that nothing else gets an address
        waiting: list[Any] = [model]
        while waiting:
            value = waiting.pop()
            if type(value) in _PLAIN or id(value) in met:
                continue
            met[id(value)] = value
            self.hooked |= _is_hooked(value)
            if is_a(value, nn.Parameter):
                self.parameters += [] if is_lazy(value) else [value]
                continue
            put_back, parts = _kept(value)
            self.restorations += [] if put_back is None else [put_back]
            waiting += parts


def _is_hooked(value: Any) -> bool:
    if is_a(value, nn.Module):
        own = vars(value)
        return any(own.get(name) for name in ("_backward_hooks", "_backward_pre_hooks"))
    if is_a(value, nn.Parameter):
        return bool(value._backward_hooks or getattr(value, "_post_accumulate_grad_hooks", None))
    return False


def _kept(value: Any) -> Kept:
    if is_a(value, Tensor):
        return Kept(Copy(value).put_back) if memory(value) else Kept()
    if is_a(value, nn.Module):
        return _module(value)
    if is_a(value, (dict, list, set, deque, bytearray)):
        saved = value.copy()
        parts = value.values() if is_a(value, dict) else value
        return Kept(partial(_refill, value, saved), list(parts))
    if is_a(value, tuple):
        return Kept(parts=value)
    if is_a(value, torch.Generator):
        return Kept(partial(value.set_state, value.get_state()))
    if is_a(value, random.Random):
        return Kept(partial(value.setstate, value.getstate()))
    if "numpy" in sys.modules and type(value).__module__.startswith("numpy"):
        return _of_numpy(value)
    if is_a(value, type):
        return _class(value) if _is_followed(value) else Kept()
    return _object(value) if _is_followed(type(value)) else Kept()


def _module(value: nn.Module) -> Kept:
    """A module; a scripted one has its parts elsewhere than in its attributes."""
    own = value.children(), value.parameters(False), value.buffers(False)
    return Kept(parts=[vars(value), type(value), *(part for parts in own for part in parts)])


def _of_numpy(value: Any) -> Kept:
    import numpy

    if is_a(value, numpy.ndarray):
        objects = value.ravel().tolist() if value.dtype.hasobject else ()
        return Kept(partial(_rewrite, value, value.copy()), objects)
    if is_a(value, numpy.random.RandomState):
        return Kept(partial(value.set_state, value.get_state()))
    if is_a(value, numpy.random.Generator):
        value = value.bit_generator
    if is_a(value, numpy.random.BitGenerator):
        return Kept(partial(setattr, value, "state", value.state))
    return Kept()


def _object(value: Any) -> Kept:
    """An object with attributes, which are read without the code of its class."""
    parts: list[Any] = [type(value)]
    with contextlib.suppress(AttributeError):
        parts.append(object.__getattribute__(value, "__dict__"))
    slots = dict(_slots(value))
    return Kept(partial(_fill_slots, value, slots) if slots else None, [*parts, *slots.values()])


def _class(cls: type) -> Kept:
    """A class and those it is derived from: their attributes that are data."""
    data = dict(_data(cls))
    bases = [base for base in cls.__mro__[1:] if _is_followed(base)]
    return Kept(partial(_reset, cls, data), [*data.values(), *bases])


def _data(cls: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(cls).items():
        special = name.startswith("__") or name == "_abc_impl"
        if not special and not hasattr(type(value), "__get__") and not is_a(value, type):
            yield name, value


def _slots(value: Any) -> Iterator[tuple[MemberDescriptorType, Any]]:
    for cls in filter(_is_followed, type(value).__mro__):
        for member in vars(cls).values():
            if type(member) is MemberDescriptorType:
                yield member, _slot(value, member)


def _slot(value: Any, member: MemberDescriptorType) -> Any:
    try:
        return member.__get__(value)
    except AttributeError:
        return _UNSET


def _is_followed(cls: type) -> bool:
    """True for a class of the user's, or of a library that torch models keep state in."""
    name = f"{getattr(cls, '__module__', '')}."
    if cls is SimpleNamespace or name.startswith(_FOLLOWED):
        return True
    root = name.partition(".")[0]
    return root == "__main__" or (root not in sys.stdlib_module_names and root != "torch")


def _refill(live: Any, saved: Any) -> None:
    """Restores the content of a container; an unchanged one is not touched."""
    ordered = is_a(live, (list, deque, bytearray))
    if ordered:
        same = len(live) == len(saved) and all(map(operator.is_, live, saved))
    elif is_a(live, dict):
        same = list(live) == list(saved) and all(live[k] is v for k, v in saved.items())
    else:
        same = live == saved
    if not same:
        live.clear()
        (live.extend if ordered else live.update)(saved)


def _rewrite(live: Any, saved: Any) -> None:
    if live.shape != saved.shape:
        live.resize(saved.shape, refcheck=False)
    if live.tobytes() != saved.tobytes():
        live[...] = saved


def _fill_slots(value: Any, saved: Mapping[MemberDescriptorType, Any]) -> None:
    for member, before in saved.items():
        if _slot(value, member) is before:
            continue
        if before is _UNSET:
            member.__delete__(value)
        else:
            member.__set__(value, before)


def _reset(cls: type, saved: Mapping[str, Any]) -> None:
    now = dict(_data(cls))
    for name in now.keys() - saved.keys():
        delattr(cls, name)
    for name, value in saved.items():
        if now.get(name, cls) is not value:
            setattr(cls, name, value)
