"""Functions of torch run on meta, together with the numbers that are known."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from bnlint.models.meta.device_arguments import is_constructor, moves, placing
from bnlint.models.meta.known_numbers import (
    LIMIT,
    forget_numbers,
    hollow,
    keep_numbers,
    made_up,
    numbers_of,
    wants_numbers,
)
from bnlint.models.nested import mapped, tensors, tensors_in

Runnable = Callable[..., Any]

_LIKE = frozenset({"zeros_like", "ones_like", "full_like", "rand_like", "randn_like"})
_NEW = frozenset({"new_zeros", "new_ones", "new_full", "new_tensor"})
"""Functions that read no more of a tensor than its shape and type."""

_CPU = torch.device("cpu")
_WRITES = frozenset(
    {"__setitem__", "setitem", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__iand__"}
    | {"__ior__", "__ixor__", "__ifloordiv__", "__ipow__", "__imod__", "__idiv__"}
)


def on_meta(func: Runnable, run: Runnable | None = None) -> Runnable:
    """``run``, which calls ``func``, with every tensor on meta.

    If the numbers of all tensors among the arguments are known, those of the result are, too; and
    a call that needs numbers gets them.
    """
    if moves(func):
        return lambda x, *args, **kwargs: hollow(x)
    call, place = _OnMeta(func, run or func), placing(func)

    def placed(*args: Any, **kwargs: Any) -> Any:
        return call(*place(args, kwargs))

    return placed


class _OnMeta:
    def __init__(self, func: Runnable, run: Runnable) -> None:
        self.func, self.run = func, run
        self.name = str(getattr(func, "__name__", ""))
        self.creates = is_constructor(func)
        self.shaped = self.name in _LIKE or self.name in _NEW
        self.writes = self.name in _WRITES or (
            self.name.endswith("_") and not self.name.endswith("__")
        )

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = tensors_in((args, kwargs))
        if not all(t.is_meta for t in found):
            args, kwargs = hollow(args), hollow(kwargs)
            found = tensors_in((args, kwargs))
        known = self._all_known(found)
        if self.name == "lstm":
            _refuse_uneven(args)
        try:
            result = self.run(*args, **kwargs)
        except Exception as error:
            if not (known and wants_numbers(error)):
                raise
            return hollow(self._real(args, kwargs))
        return self._kept(result, args, kwargs, known)

    def _all_known(self, found: list[Tensor]) -> bool:
        if not found or self.shaped:
            return self.creates or self.shaped
        return all(numbers_of(t) is not None for t in found)

    def _kept(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any], known: bool) -> Any:
        """The result, which knows its numbers if it is small and made of known ones."""
        target = args[0] if self.writes and args else kwargs.get("out")
        found = tensors_in(result if self.name not in ("__setitem__", "setitem") else target)
        if known and found and all(map(self._may_know, found)):
            with contextlib.suppress(Exception):
                numbers = self._real(args, kwargs)
                keep_numbers(result, numbers)
                return result
        for tensor in tensors(target):
            forget_numbers(tensor)
        return result if all(t.is_meta for t in found) else hollow(result)

    def _may_know(self, tensor: Tensor) -> bool:
        """False for a large tensor, and for one of a weight's type that has no numbers yet."""
        bare = self.creates and self.name.startswith("empty")
        return tensor.numel() <= LIMIT and not (bare and tensor.is_floating_point())

    def _real(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result on the numbers."""
        change = _shape_only if self.shaped else _numbers
        kwargs = {k: v for k, v in kwargs.items() if k != "device"}
        kwargs |= {"device": _CPU} if self.creates else {}  # whatever the default is now
        args = tuple(_CPU if isinstance(a, torch.device) else a for a in args)
        with torch.no_grad():
            return self.func(*mapped(args, change), **mapped(kwargs, change))


def _refuse_uneven(args: tuple[Any, ...]) -> None:
    """Raise an error where torch would crash: it reads a cell state for each hidden one."""
    packed = len(args) > 2 and isinstance(args[1], Tensor)
    if packed and len({state.shape[:1] for state in tensors(args[2])}) > 1:
        raise RuntimeError("the hidden and the cell state have different numbers of layers")


def _numbers(tensor: Tensor) -> Tensor:
    found = numbers_of(tensor)
    assert found is not None
    return found


def _shape_only(tensor: Tensor) -> Tensor:
    return torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)


class MetaMode(TorchFunctionMode):
    """Runs what a model's constructor does on meta, also where it needs numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._routes: dict[Any, Runnable] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The result of the function on meta."""
        route = self._routes.get(func)
        if route is None:
            route = self._routes[func] = on_meta(func)
        kwargs = kwargs or {}
        try:
            return route(*args, **kwargs)
        except Exception as error:
            if not wants_numbers(error):
                raise
            return hollow(func(*mapped(args, _any_numbers), **mapped(kwargs, _any_numbers)))


def _any_numbers(tensor: Tensor) -> Tensor:
    found = numbers_of(tensor)
    if found is None:
        found = made_up(tensor)
        keep_numbers(tensor, found)
    return found
