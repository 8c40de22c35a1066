"""Leaving nothing behind: the live model, its generators and modes are as before."""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bnlint.probing.untouched.writes import Copy, CopyOnWrite, memory
from bnlint.tracing.forward.watched import WatchedForward

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
    state = LiveState.of(watched.registry.root)
    parameters = state.parameters
    before = [(p, p.detach(), p.grad, p.requires_grad) for p in parameters]
    writes = CopyOnWrite(parameters)
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


@dataclass(slots=True)
class LiveState:
    """Parameters, containers, tensors and generators that a model reaches through attributes.

    Found are those in lists, dicts, sets, tuples and deques too, and in modules that are held
    there unregistered.
    """

    parameters: list[nn.Parameter] = field(default_factory=list)
    containers: list[tuple[Any, Any]] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    generators: list[tuple[torch.Generator, Tensor]] = field(default_factory=list)
    _met: dict[int, Any] = field(default_factory=dict)

    @staticmethod
    def of(model: nn.Module) -> LiveState:
        """The state of a model as it is now."""
        state = LiveState()
        state._look(model)
        return state

    def put_back(self) -> None:
        """Restores everything."""
        for live, saved in self.containers:
            _refill(live, saved)
        for copy in self.copies:
            copy.put_back()
        for generator, value in self.generators:
            generator.set_state(value)

    def _look(self, value: Any) -> None:
        if type(value) in PLAIN:
            return
        if isinstance(value, nn.Module):
            self._module(value)
        elif isinstance(value, (dict, list, set, deque, tuple)):
            self._container(value)
        elif isinstance(value, (Tensor, torch.Generator)) and self._new(value):
            self._value(value)

    def _value(self, value: Tensor | torch.Generator) -> None:
        """Copies a tensor or generator; parameters only once one writes to them."""
        if isinstance(value, torch.Generator):
            self.generators.append((value, value.get_state()))
        elif isinstance(value, nn.Parameter):
            if not is_lazy(value):
                self.parameters.append(value)
        elif memory(value) != 0:
            self.copies.append(Copy(value))

    def _module(self, module: nn.Module) -> None:
        if self._new(module):
            self._container(vars(module))
            own = module.children, partial(module.parameters, False), partial(module.buffers, False)
            for part in (p for parts in own for p in parts()):
                self._look(part)  # a scripted module has them elsewhere

    def _container(self, value: Any) -> None:
        if not self._new(value):
            return
        if not isinstance(value, tuple):
            self.containers.append((value, value.copy()))
        for item in list(value.values()) if isinstance(value, dict) else list(value):
            self._look(item)

    def _new(self, value: Any) -> bool:
        known = id(value) in self._met
        self._met[id(value)] = value  # kept, so that nothing else gets its address
        return not known


def _refill(live: Any, saved: Any) -> None:
    """Restores the content of a container; an unchanged one is not touched."""
    if isinstance(live, (list, deque)):
        if len(live) != len(saved) or any(a is not b for a, b in zip(live, saved, strict=True)):
            live.clear()
            live.extend(saved)
        return
    if isinstance(live, dict):
        same = list(live) == list(saved) and all(live[k] is v for k, v in saved.items())
    else:
        same = live == saved
    if not same:
        live.clear()
        live.update(saved)


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
    if numpy is not None:
        sources.append((numpy.set_state, numpy.get_state()))
    sources += [_source(kind) for kind in {*ACCELERATORS, device.type} if _in_use(kind, device)]
    sources += [(g.set_state, g.get_state()) for g in _drawn_from(loader)]
    try:
        yield
    finally:
        for put, value in sources:
            put(value)


def _drawn_from(loader: Any) -> list[torch.Generator]:
    """The generators of a DataLoader and its samplers."""
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
