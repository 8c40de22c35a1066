"""Leaving nothing behind: the live model, generators and modes are as they were before."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

State = list[tuple[Any, dict[str, Any] | list[Any]]]


@contextmanager
def untouched(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Runs the block and restores the model bit by bit, also after an error or an interrupt.

    Restored are attributes, flags, hooks, buffers, ``.grad``, and any parameter that the block
    writes to (copied when the first write is seen, as most forwards never do).
    """
    attributes = _attributes(model)
    buffers = [(b, b.detach().clone()) for b in model.buffers() if not is_lazy(b)]
    parameters = [p for p in model.parameters() if not is_lazy(p)]
    kept = [(p, p.detach(), p.grad, p.requires_grad) for p in parameters]
    writes = CopyOnWrite(parameters)
    with _generators(device):
        try:
            with torch.inference_mode(False), torch.enable_grad(), writes:
                yield
        finally:
            _restore_attributes(attributes)
            for parameter, own, gradient, flag in kept:
                if parameter.device.type != "meta" and _memory(parameter) != _memory(own):
                    parameter.data = own
                parameter.grad = gradient
                parameter.requires_grad_(flag)
            with torch.no_grad(), torch.inference_mode(False):
                _put_back(buffers)
                _put_back(list(writes.copies.values()))


class CopyOnWrite(TorchFunctionMode):
    """Copies a parameter just before an in-place operation first reaches its memory."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        super().__init__()
        self.copies: dict[int, tuple[Tensor, Tensor]] = {}
        self._waiting: dict[int, list[Tensor]] = {}
        self._names: dict[Any, bool] = {}
        for parameter in parameters:
            if parameter.device.type != "meta":
                self._waiting.setdefault(_memory(parameter), []).append(parameter)

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The function's result, after a copy of what it is about to overwrite."""
        kwargs = kwargs or {}
        if self._writes(func) or "out" in kwargs:
            for value in (*args, *kwargs.values()):
                self._keep(value)
        return func(*args, **kwargs)

    def _writes(self, func: Any) -> bool:
        """True for names such as ``mul_`` and ``__setitem__``; remembered for each function."""
        found = self._names.get(func)
        if found is None:
            name = getattr(func, "__name__", "")
            inplace = name.endswith("_") and not name.endswith("__")
            found = inplace or name in ("__setitem__", "__set__") or name.startswith("__i")
            self._names[func] = found
        return found

    def _keep(self, value: Any) -> None:
        if not isinstance(value, Tensor) or value.layout is not torch.strided or not self._waiting:
            return
        if value.device.type == "meta":
            return
        for parameter in self._waiting.pop(_memory(value), ()):
            self.copies[id(parameter)] = (parameter, parameter.detach().clone())


@dataclass(frozen=True, slots=True)
class _Source:
    """A generator: where its state is, and the state."""

    put: Any
    state: Any


@contextmanager
def _generators(device: torch.device) -> Iterator[None]:
    """Restores Python's, numpy's (if loaded) and torch's generators, on the CPU and the device."""
    sources = [
        _Source(random.setstate, random.getstate()),
        _Source(torch.set_rng_state, torch.get_rng_state()),
    ]
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        sources.append(_Source(numpy.set_state, numpy.get_state()))
    backend = _backend(device)
    if backend is not None:
        state = backend.get_rng_state()
        sources.append(_Source(backend.set_rng_state, state))
    try:
        yield
    finally:
        for source in sources:
            source.put(source.state)


def _backend(device: torch.device) -> ModuleType | None:
    """``torch.cuda``, ``torch.mps`` and their like, where they keep a generator."""
    backend = getattr(torch, device.type, None)
    return backend if device.type != "cpu" and hasattr(backend, "get_rng_state") else None


def _attributes(model: nn.Module) -> State:
    """Every module's attributes, and the content of its dicts (parameters, buffers, hooks)."""
    state: State = []
    for module in model.modules():
        own = dict(vars(module))
        state.append((vars(module), own))
        state += [(v, dict(v)) for v in own.values() if isinstance(v, dict)]
        state += [(v, list(v)) for v in own.values() if isinstance(v, list)]
    return state


def _restore_attributes(state: State) -> None:
    for live, saved in state:
        if isinstance(saved, list):
            live[:] = saved
            continue
        if live.keys() == saved.keys() and all(live[k] is v for k, v in saved.items()):
            continue
        live.clear()
        live.update(saved)


def _put_back(copies: list[tuple[Tensor, Tensor]]) -> None:
    for tensor, copy in copies:
        if tensor.device.type != "meta":
            tensor.detach().copy_(copy)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
