"""Calls without the device that they ask for: every tensor is on meta."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._device import _device_constructors

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_META = torch.device("meta")
_MOVES = frozenset({"cuda", "cpu", "xpu", "ipu", "hpu", "mtia", "pin_memory"})


def placing(func: Callable[..., Any]) -> Callable[[tuple[Any, ...], dict[str, Any]], Arguments]:
    """A function that changes the arguments of a call of ``func`` so that it runs on meta."""
    if func in _device_constructors():
        return _constructed
    if func is Tensor.to:
        return _moved
    if func is Tensor.type:
        return _typed
    return _named


def is_constructor(func: Callable[..., Any]) -> bool:
    """True for a function of torch that creates a tensor from numbers."""
    return func in _device_constructors()


def moves(func: Callable[..., Any]) -> bool:
    """True for a method that only moves a tensor to a device."""
    return getattr(func, "__name__", "") in _MOVES and getattr(Tensor, func.__name__, None) is func


def _constructed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    return args, {**{k: v for k, v in kwargs.items() if k != "pin_memory"}, "device": _META}


def _named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    if "device" in kwargs and kwargs["device"] is not None:
        kwargs = {**kwargs, "device": _META}
    return args, kwargs


def _moved(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    args = (args[0], *(_META if _is_device(a) else a for a in args[1:]))
    return _named(args, kwargs)


def _is_device(value: Any) -> bool:
    return isinstance(value, (torch.device, str)) or type(value) is int


def _typed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """``x.type("torch.cuda.FloatTensor")`` asks for a device, too."""
    if len(args) < 2 or isinstance(args[1], torch.dtype):
        return args, kwargs
    return (args[0], _dtype_of(args[1]), *args[2:]), kwargs


def _dtype_of(kind: Any) -> Any:
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    word = name.rpartition(".")[2].removesuffix("Tensor").lower()
    found = getattr(torch, {"byte": "uint8", "char": "int8"}.get(word, word), None)
    return found if isinstance(found, torch.dtype) else kind
