"""Undoing writes to tensors that are rarely written to, by a copy just before the first write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from bnlint.tracing.forward.watched import Runnable, Subscriber, TorchFunction, WatchedForward
from bnlint.tracing.nested import tensors


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
        return partial(self._guarded, _writes_of(function.func), run)

    def _guarded(self, writes: _Writes, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        if self._waiting and writes.with_these(args, kwargs):
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


OVERWRITE = ("inplace", "max_norm", "out")
"""Arguments that make a function write to what it is given."""


@dataclass(frozen=True, slots=True)
class _Writes:
    """Whether a function writes to its arguments: always (``mul_``), or by one of them."""

    always: bool
    places: tuple[tuple[int | None, str], ...] = ()

    def with_these(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """True when a call with these arguments writes to one of them."""
        if self.always:
            return True
        for place, name in self.places:
            positional = place is not None and place < len(args)
            value = args[place] if positional and place is not None else kwargs.get(name)
            if value is not None and value is not False:
                return True
        return False


def _writes_of(func: Callable[..., Any]) -> _Writes:
    """What the name and the signature of a function say."""
    name = getattr(func, "__name__", "")
    inplace = name.endswith("_") and not name.endswith("__")
    if inplace or name in ("__setitem__", "__set__") or name.startswith("__i"):
        return _Writes(True)
    code = getattr(func, "__code__", None)  # built-in functions take these by name alone
    names = list(code.co_varnames[: code.co_argcount]) if code is not None else []
    return _Writes(False, tuple((_index(names, n), n) for n in OVERWRITE))


def _index(names: list[str], name: str) -> int | None:
    return names.index(name) if name in names else None
