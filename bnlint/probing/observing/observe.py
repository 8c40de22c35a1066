"""Watching a forward as it runs: every activation, norm and kernel, whoever calls it and however.

A ``TorchFunctionMode`` sees ``nn.ReLU``, ``F.relu``, ``torch.relu`` and ``x.relu_()`` alike, before
they run, so in-place ones too. Nothing here waits for the device.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bnlint.domain.probe import NotObserved
from bnlint.layers.of_calls import arguments_of
from bnlint.layers.regions import clamp_kind, moved_kinds
from bnlint.layers.table import Kind, Table, builtin_table, plain_name
from bnlint.probing.observing import measure
from bnlint.probing.observing.gates import Gates
from bnlint.probing.observing.kernels import Kernels, operands
from bnlint.probing.observing.layout import Layouts
from bnlint.probing.observing.modules import follow
from bnlint.probing.observing.names import Names, function_name
from bnlint.probing.observing.readings import (
    ActivationReading,
    KernelReading,
    Key,
    NormReading,
    Scratch,
    unseen,
)
from bnlint.probing.observing.subject import closed_to, of_weights

Handler = Callable[[Callable[..., Any], str, Kind, tuple[Any, ...], dict[str, Any]], Any]


class Observer(TorchFunctionMode):
    """Collects the readings of each forward that runs under :meth:`watching`.

    ``samples`` is the number of samples in the next forward, 0 where it is not known.
    """

    def __init__(self, model: nn.Module, table: Table | None = None) -> None:
        super().__init__()
        self.table = table or builtin_table()
        self.names = Names(model, self.table)
        self.samples = 0
        self.activations: list[ActivationReading] = []
        self.norms: list[NormReading] = []
        self.made = Kernels()
        self.unseen: dict[str, str] = {}
        self.handles: list[Any] = []
        self.layouts = Layouts()
        self._roles: dict[Any, tuple[str, Kind, Handler] | None] = {}
        self._made: list[tuple[ActivationReading, Any]] = []
        self._gates = Gates()
        self._scratch = Scratch()
        self._tracked = measure.batches_tracked(model)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """One forward, observed; call :meth:`returned` with its result inside."""
        self.layouts = Layouts()
        self.names.restart()
        self.made.restart()
        try:
            with follow(self.names.stack, self._entered), self:
                yield
        finally:
            self._made.clear()
            self._gates.clear()

    def returned(self, outputs: list[Tensor]) -> None:
        """Marks the activations whose result the model returned, as it is or reshaped."""
        nodes = [measure.origin(o) for o in outputs]
        for reading, maker in self._made:
            if isinstance(maker, weakref.ref):
                reading.at_output = any(maker() is o for o in outputs)
            else:
                reading.at_output = any(maker is n for n in nodes)

    def no_gradient(self) -> None:
        """Forgets the gradients of a backward that did not come to its end."""
        for reading in self.activations:
            reading.asked = False
            reading.gradients.clear()

    def release(self) -> None:
        """Removes every tensor hook."""
        while self.handles:
            self.handles.pop().remove()

    @property
    def kernels(self) -> dict[Hashable, KernelReading]:
        """The readings of kernels, in the order of their first calls."""
        return self.made.readings

    @property
    def not_observable(self) -> tuple[NotObserved, ...]:
        """The parts that could not be looked into, in the order they ran."""
        return tuple(NotObserved(layer, reason) for layer, reason in self.unseen.items())

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The result of the function, with readings taken where it is one of ours."""
        kwargs = kwargs or {}
        try:
            role = self._roles[func]
        except KeyError:
            role = self._roles[func] = self._role(func)
        except TypeError:
            return func(*args, **kwargs)
        if role is None:
            return func(*args, **kwargs)
        name, kind, handler = role
        return handler(func, name, kind, args, kwargs)

    def _role(self, func: Any) -> tuple[str, Kind, Handler] | None:
        name = function_name(func)
        kind = self.table.of_function(name)
        if plain_name(name) in ("clamp", "clip", "clamp_min"):
            return name, self.table.kind("relu"), self._clamp
        if kind is None:
            return None
        if "activation" in kind.tags:
            return name, kind, self._activation
        if "norm" in kind.tags:
            return name, kind, self._norm
        if "kernel" in kind.tags or kind.name == "matmul":
            return name, kind, self._kernel
        return (name, kind, self._product) if kind.name == "product" else None

    def _activation(
        self,
        func: Callable[..., Any],
        name: str,
        kind: Kind,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        x: Any = args[0] if args else kwargs.get("input")
        closed = closed_to(x)
        if closed is None or of_weights(x, self.samples):
            return func(*args, **kwargs)
        key = self.names.key(name, "activation")
        if closed:
            self.unseen.setdefault(key[0], closed)
            return func(*args, **kwargs)
        kind = self.names.kind("activation") or kind
        reading = self._try(key, lambda: self._read_activation(key, kind, name, x, args, kwargs))
        out = func(*args, **kwargs)
        if isinstance(reading, ActivationReading) and isinstance(out, Tensor):
            self._after(reading, x, out)
        return out

    def _read_activation(
        self, key: Key, kind: Kind, name: str, x: Tensor, args: Any, kwargs: dict[str, Any]
    ) -> ActivationReading:
        arguments = arguments_of(name, args, kwargs) if kind.name in moved_kinds() else {}
        axis = self.layouts.axis(x.shape)
        reading = measure.activation(x.detach(), axis, key, kind.name, arguments, self._scratch)
        reading.compares = x.shape[0] > 1 or self.samples <= 1
        self.activations.append(reading)
        if x.requires_grad and torch.is_grad_enabled():
            reading.asked = True
            hook = measure.gradient_hook(reading, axis)
            self.handles.append(x.register_hook(hook))  # type: ignore[no-untyped-call]
        return reading

    def _after(self, reading: ActivationReading, x: Tensor, out: Tensor) -> None:
        self._made.append((reading, out.grad_fn or weakref.ref(out)))
        self._gates.note(reading, x, out)
        if out.shape == x.shape:
            with unseen():
                reading.after = measure.sampled(out.detach(), self.layouts.axis(x.shape))

    def _clamp(
        self,
        func: Callable[..., Any],
        name: str,
        kind: Kind,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        found = clamp_kind(arguments_of(plain_name(name), args, kwargs))
        if found is None:
            return func(*args, **kwargs)
        return self._activation(func, name, self.table.kind(found), args, kwargs)

    def _product(
        self,
        func: Callable[..., Any],
        name: str,
        kind: Kind,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        self._gates.multiplied(args)
        return func(*args, **kwargs)

    def _norm(
        self,
        func: Callable[..., Any],
        name: str,
        kind: Kind,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        arguments = arguments_of(name, args, kwargs)
        x: Any = arguments.get("input")
        if closed_to(x) != "":
            return func(*args, **kwargs)
        kind = self.names.kind("norm") or kind
        key = self.names.key(name, "norm")
        running = measure.running(arguments)
        out = func(*args, **kwargs)
        self.layouts.note(out.shape, kind.name)
        axis = self.layouts.axis(out.shape)
        tracked = self._tracked.get(self.names.stack.path)
        reading = self._try(
            key, lambda: measure.norm(x.detach(), axis, key, kind, arguments, out, running, tracked)
        )
        if isinstance(reading, NormReading):
            self.norms.append(reading)
        return out

    def _kernel(
        self,
        func: Callable[..., Any],
        name: str,
        kind: Kind,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        x, weight = operands(kind.name, args, kwargs)
        out = func(*args, **kwargs)
        if weight is None:
            return out
        known = "linear" if kind.name == "matmul" else kind.name
        if isinstance(out, Tensor):
            self.layouts.note(out.shape, known)
        self.made.note(self.names.layer(name, "kernel"), known, x, weight)
        return out

    def _entered(self, path: str, module: nn.Module) -> None:
        reason = measure.closed(module, self.names.of_module(module))
        if reason:
            self.unseen.setdefault(path or type(module).__name__, reason)

    def _try(self, key: Key, read: Callable[[], Any]) -> Any:
        """A reading, or None with the reason kept: the user's forward must not fail over ours."""
        try:
            with unseen():
                return read()
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, NotImplementedError, IndexError) as error:
            if measure.out_of_memory(error):
                raise
            self.unseen.setdefault(key[0], f"could not be measured: {error}".splitlines()[0])
            return None
