"""Tensors that are rarely written to are copied just before the first write."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from bnlint.models.nested import tensors
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction, WatchedForward

OVERWRITE = ("inplace", "max_norm", "out")
"""Arguments that make a function write to what it is given."""

_HOOKS = frozenset({"register_hook", "register_post_accumulate_grad_hook"})

HANDS_OUT = frozenset({"numpy", "__array__", "__dlpack__", "storage", "untyped_storage"})
"""Functions after which others can write to the memory of a tensor, unseen by torch."""

Switches = tuple[tuple[int, str], ...] | None
"""Position and name of each such argument; None for a function that always writes."""


@contextmanager
def kept(watched: WatchedForward, inputs: Any) -> Iterator[None]:
    """Runs the block and restores the tensors in ``inputs`` that it writes to."""
    writes = CopyOnWrite(tensors(inputs))
    try:
        with watched.by(writes):
            yield
    finally:
        writes.put_back()


class CopyOnWrite(Subscriber):
    """Copies a tensor just before an in-place operation first reaches its memory."""

    def __init__(self, guarded: Iterable[Tensor]) -> None:
        self.copies: list[Copy] = []
        self._waiting: dict[int, list[Tensor]] = {}
        for tensor in guarded:
            address = memory(tensor)
            if address:
                self._waiting.setdefault(address, []).append(tensor)

    def put_back(self) -> None:
        """Restores the values that were overwritten."""
        for copy in self.copies:
            copy.put_back()

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function, after a copy of what it is about to overwrite."""
        if function.name in _HOOKS:
            self.copy_all()
        return partial(self._guarded, _switches(function.func), run)

    def copy_all(self) -> None:
        """Copies all tensors now: what hooks of a backward pass write is not seen."""
        self.copies += [Copy(t) for ts in self._waiting.values() for t in ts]
        self._waiting.clear()

    def _guarded(self, switches: Switches, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        if self._waiting and (switches is None or _on(switches, args, kwargs)):
            for tensor in tensors((args, kwargs)):
                for guarded in self._waiting.pop(memory(tensor), ()):
                    self.copies.append(Copy(guarded))
        return run(*args, **kwargs)


class Copy:
    """A tensor and the values that it has now."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self._own = tensor, tensor.detach()
        self._values = self._own.clone()

    def put_back(self) -> None:
        """Restores memory and values; a tensor that has its old values is not touched."""
        own = self._own
        with torch.no_grad(), torch.inference_mode(own.is_inference()):
            if memory(self.tensor) != memory(own):
                self.tensor.data = own
            if not torch.equal(own, self._values):
                own.copy_(self._values)


def memory(tensor: Tensor) -> int:
    """The address of its values; 0 where it has none of its own (lazy, meta, sparse, functorch)."""
    if is_lazy(tensor) or tensor.layout is not torch.strided or tensor.device.type == "meta":
        return 0
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):
        return 0


@lru_cache(maxsize=4096)
def _switches(func: Callable[..., Any]) -> Switches:
    """What the name and the signature of a function say about its writes."""
    name = getattr(func, "__name__", "")
    inplace = name.endswith("_") and not name.endswith("__")
    if inplace or name in ("__setitem__", "__set__") or name.startswith("__i"):
        return None
    if name in HANDS_OUT:
        return None
    code = getattr(func, "__code__", None)  # built-in functions take these by name alone
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    return tuple((names.index(n) if n in names else sys.maxsize, n) for n in OVERWRITE)


def _on(switches: tuple[tuple[int, str], ...], args: tuple[Any, ...], kwargs: Any) -> bool:
    values = (args[i] if i < len(args) else kwargs.get(name) for i, name in switches)
    return any(value is not None and value is not False for value in values)
