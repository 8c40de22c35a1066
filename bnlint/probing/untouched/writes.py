"""Undoing writes to tensors that are rarely written to: a copy just before the first of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from bnlint.tracing.nested import tensors


class CopyOnWrite(TorchFunctionMode):
    """Copies a tensor just before an in-place operation first reaches its memory."""

    def __init__(self, guarded: Iterable[Tensor]) -> None:
        super().__init__()
        self.copies: list[Copy] = []
        self._waiting: dict[int, list[Tensor]] = {}
        self._found: dict[Any, _Writes] = {}
        for tensor in guarded:
            address = memory(tensor)
            if address:
                self._waiting.setdefault(address, []).append(tensor)

    def put_back(self) -> None:
        """Gives what was overwritten its old values."""
        for copy in self.copies:
            copy.put_back()

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The function's result, after a copy of what it is about to overwrite."""
        kwargs = kwargs or {}
        if self._waiting and self._kind(func).with_these(args, kwargs):
            for tensor in tensors((args, kwargs)):
                for guarded in self._waiting.pop(memory(tensor), ()):
                    self.copies.append(Copy(guarded))
        return func(*args, **kwargs)

    def _kind(self, func: Any) -> _Writes:
        try:
            return self._found[func]
        except KeyError:
            found = self._found[func] = _Writes.of(func)
            return found
        except TypeError:  # a callable that cannot be a key
            return _Writes.of(func)


class Copy:
    """A tensor and the values that it has now."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self._own = tensor, tensor.detach()
        self._values = self._own.clone()

    def put_back(self) -> None:
        """The tensor in its old memory with its old values; untouched where they are the same."""
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

    @staticmethod
    def of(func: Callable[..., Any]) -> _Writes:
        """What the name and the signature of a function tell."""
        name = getattr(func, "__name__", "")
        inplace = name.endswith("_") and not name.endswith("__")
        if inplace or name in ("__setitem__", "__set__") or name.startswith("__i"):
            return _Writes(True)
        code = getattr(func, "__code__", None)  # built-in functions take these by name alone
        names = list(code.co_varnames[: code.co_argcount]) if code is not None else []
        return _Writes(False, tuple((_index(names, n), n) for n in OVERWRITE))

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


def _index(names: list[str], name: str) -> int | None:
    return names.index(name) if name in names else None
