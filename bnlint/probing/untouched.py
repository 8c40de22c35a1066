"""Leaving nothing behind: the model, its inputs, modes and the generators are as before.

Tensors that are rarely written to are copied just before the first write.
"""

from __future__ import annotations

import operator
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bnlint.models.nested import tensors
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction, WatchedForward

OVERWRITE = ("inplace", "max_norm", "out")
"""Arguments that make a function write to what it is given."""

Switches = tuple[tuple[int, str], ...] | None
"""Position and name of each such argument; None for a function that always writes."""

ACCELERATORS = ("cuda", "xpu", "mps")

PLAIN = frozenset({bool, int, float, str, bytes, type(None)})
"""Types without state of their own."""


@contextmanager
def untouched(watched: WatchedForward, device: torch.device, loader: Any = None) -> Iterator[None]:
    """Runs the block and restores the watched model bit by bit, also after an error or interrupt.

    Restored are attributes, flags, hooks, buffers, the tensors, generators and modules in plain
    attributes and containers, ``.grad``, and any parameter that the block writes to (copied at the
    first write, as most forwards have none). Inputs are guarded by ``kept``.
    """
    state = _LiveState(watched.registry.root)
    before = [(p, p.detach(), p.grad, p.requires_grad) for p in state.parameters]
    writes = CopyOnWrite(state.parameters)
    with generators(device, loader):
        try:
            with torch.inference_mode(False), torch.enable_grad(), watched.by(writes):
                yield
        finally:
            state.put_back()
            for parameter, own, gradient, flag in before:
                if memory(parameter) != memory(own):
                    parameter.data = own
                if parameter.grad is not gradient:
                    parameter.grad = gradient
                if parameter.requires_grad is not flag:
                    parameter.requires_grad_(flag)
            writes.put_back()


class _LiveState:
    """Parameters, containers, tensors and generators that a model reaches through attributes.

    Found are those in lists, dicts, sets, tuples and deques too, and in modules that are held
    there unregistered.
    """

    def __init__(self, model: nn.Module) -> None:
        self.parameters: list[nn.Parameter] = []
        self.containers: list[tuple[Any, Any]] = []
        self.copies: list[Copy] = []
        self.generators: list[tuple[torch.Generator, Tensor]] = []
        self._met: dict[int, Any] = {}
        self._look(model)

    def put_back(self) -> None:
        for live, saved in self.containers:
            _refill(live, saved)
        for copy in self.copies:
            copy.put_back()
        for generator, value in self.generators:
            generator.set_state(value)

    def _look(self, value: Any) -> None:
        if type(value) in PLAIN or id(value) in self._met:
            return
        self._met[id(value)] = value  # kept, so that nothing else gets its address
        if isinstance(value, nn.Module):
            self._module(value)
        elif isinstance(value, (dict, list, set, deque, tuple)):
            self._container(value)
        elif isinstance(value, torch.Generator):
            self.generators.append((value, value.get_state()))
        elif isinstance(value, nn.Parameter):  # copied only once something writes to it
            self.parameters += [] if is_lazy(value) else [value]
        elif isinstance(value, Tensor) and memory(value):
            self.copies.append(Copy(value))

    def _module(self, module: nn.Module) -> None:
        self._look(vars(module))
        own = module.children, partial(module.parameters, False), partial(module.buffers, False)
        for part in (p for parts in own for p in parts()):
            self._look(part)  # a scripted module has them elsewhere

    def _container(self, value: Any) -> None:
        if not isinstance(value, tuple):
            self.containers.append((value, value.copy()))
        for item in list(value.values()) if isinstance(value, dict) else list(value):
            self._look(item)


def _refill(live: Any, saved: Any) -> None:
    """Restores the content of a container; an unchanged one is not touched."""
    ordered = isinstance(live, (list, deque))
    if ordered:
        same = len(live) == len(saved) and all(map(operator.is_, live, saved))
    elif isinstance(live, dict):
        same = list(live) == list(saved) and all(live[k] is v for k, v in saved.items())
    else:
        same = live == saved
    if not same:
        live.clear()
        (live.extend if ordered else live.update)(saved)


@contextmanager
def generators(device: torch.device, loader: Any = None) -> Iterator[None]:
    """Restores Python's, numpy's (if loaded) and torch's generators, on every device in use.

    A loader's own are restored too, so that its next epoch is the one it would have been.
    """
    sources: list[tuple[Any, Any]] = [
        (random.setstate, random.getstate()),
        (torch.set_rng_state, torch.get_rng_state()),
    ]
    numpy = sys.modules.get("numpy.random")
    sources += [(numpy.set_state, numpy.get_state())] if numpy is not None else []
    sources += [_source(kind) for kind in {*ACCELERATORS, device.type} if _in_use(kind, device)]
    sources += [(g.set_state, g.get_state()) for g in _drawn_from(loader)]
    try:
        yield
    finally:
        for put, value in sources:
            put(value)


def _drawn_from(loader: Any) -> list[torch.Generator]:
    batches = getattr(loader, "batch_sampler", None)
    holders = (loader, batches, getattr(loader, "sampler", None), getattr(batches, "sampler", None))
    found = (getattr(h, "generator", None) for h in holders)
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())


def _source(kind: str) -> tuple[Any, Any]:
    """A function that sets the generators of all devices of a kind, and their states."""
    backend = getattr(torch, kind)
    if hasattr(backend, "get_rng_state_all"):
        return backend.set_rng_state_all, backend.get_rng_state_all()
    return backend.set_rng_state, backend.get_rng_state()


def _in_use(kind: str, device: torch.device) -> bool:
    """True if this process has started the device: asking others would start them."""
    backend = getattr(torch, kind, None)
    if kind == "cpu" or not hasattr(backend, "get_rng_state"):
        return False
    return kind == device.type or bool(getattr(backend, "is_initialized", lambda: False)())


def seed(device: torch.device, number: int) -> None:
    """Seeds the CPU's generator and those of this kind of device, and no other."""
    torch.default_generator.manual_seed(number)
    backend = getattr(torch, device.type, None)
    every = getattr(backend, "manual_seed_all", None) or getattr(backend, "manual_seed", None)
    if device.type != "cpu" and every is not None:
        every(number)


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
        return partial(self._guarded, _switches(function.func), run)

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


def _switches(func: Callable[..., Any]) -> Switches:
    """What the name and the signature of a function say about its writes."""
    name = getattr(func, "__name__", "")
    inplace = name.endswith("_") and not name.endswith("__")
    if inplace or name in ("__setitem__", "__set__") or name.startswith("__i"):
        return None
    code = getattr(func, "__code__", None)  # built-in functions take these by name alone
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    return tuple((names.index(n) if n in names else sys.maxsize, n) for n in OVERWRITE)


def _on(switches: tuple[tuple[int, str], ...], args: tuple[Any, ...], kwargs: Any) -> bool:
    values = (args[i] if i < len(args) else kwargs.get(name) for i, name in switches)
    return any(value is not None and value is not False for value in values)
