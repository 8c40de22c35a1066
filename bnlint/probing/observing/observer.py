"""Watching a forward as it runs: every activation, norm and kernel, whoever calls it and however.

``nn.ReLU``, ``F.relu``, ``torch.relu`` and ``x.relu_()`` are seen alike, before they run, so
in-place ones too. Nothing here waits for the device.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.domain.errors import is_out_of_memory
from bnlint.domain.phrases import first_line
from bnlint.domain.probe import NotObserved
from bnlint.layers.of_calls import arguments_of
from bnlint.layers.regions import clamp_kind, moved_kinds
from bnlint.layers.table import Kind, plain_name
from bnlint.probing.observing import measure, norm_measure
from bnlint.probing.observing.history import origins
from bnlint.probing.observing.readings import (
    ActivationReading,
    NormReading,
    Reading,
    unseen,
)
from bnlint.probing.observing.subjects import (
    Gates,
    Kernels,
    closed_module,
    closed_to,
    of_weights,
    operands,
)
from bnlint.probing.observing.ways import Ways
from bnlint.tracing.forward import (
    Key,
    Runnable,
    Subscriber,
    TorchFunction,
    WatchedForward,
    kind_of,
)


class Observer(Subscriber):
    """Collects the readings of each forward that runs under :meth:`watching`.

    ``samples`` is the number of samples in the next forward, 0 where it is not known.
    """

    def __init__(self, watched: WatchedForward) -> None:
        self.watched = watched
        self.samples = 0
        self.activations: list[ActivationReading] = []
        self.norms: list[NormReading] = []
        self._kernels = Kernels()
        self.kernels = self._kernels.readings
        self.unseen: dict[str, str] = {}
        self.handles: list[Any] = []
        self.layouts = measure.Layouts()
        self._made: list[tuple[ActivationReading, Any]] = []
        self._gates = Gates()
        self._ways = Ways(watched)
        self._scratch = measure.Scratch()
        self._tracked = norm_measure.batches_tracked(watched.registry.root)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """One forward, observed; call :meth:`returned` with its result inside."""
        try:
            with self.watched.by(self):
                yield
        finally:
            self._made.clear()
            self._gates.clear()

    def returned(self, outputs: list[Tensor]) -> None:
        """Marks the activations whose result the model returned, unchanged or reshaped."""
        nodes = [node for o in outputs for node in origins(o)]
        for reading, maker in self._made:
            if isinstance(maker, weakref.ref):
                reading.at_output = any(maker() is o for o in outputs)
            else:
                reading.at_output = any(maker is n for n in nodes)

    def no_gradient(self) -> None:
        """Forgets the gradients of a backward that did not finish."""
        for reading in self.activations:
            reading.asked = False
            reading.gradients.clear()

    def release(self) -> None:
        """Removes every tensor hook."""
        while self.handles:
            self.handles.pop().remove()

    @property
    def readings(self) -> list[Reading]:
        """All readings."""
        return [*self.activations, *self.norms, *self.kernels.values()]

    @property
    def not_observable(self) -> tuple[NotObserved, ...]:
        """The parts that could not be observed, in the order they ran."""
        return tuple(NotObserved(layer, reason) for layer, reason in self.unseen.items())

    # --- what the forward does ---

    def begins(self) -> None:
        """Forgets what holds for one forward."""
        self.layouts = measure.Layouts()
        self._kernels.restart()
        self._ways.restart()

    def module(self, module: nn.Module, run: Runnable) -> Runnable:
        """The call as it is; notes a module whose inside cannot be observed."""
        reason = closed_module(module, kind_of(module, self.watched.table))
        if reason:
            self.unseen.setdefault(self.watched.path_of(module) or type(module).__name__, reason)
        return run

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function with readings taken around it, where it is one to read."""
        if function.clamps:
            return partial(self._clamp, function, run)
        kind, family = function.kind, function.family
        if kind is not None and kind.name == "product":
            return partial(self._product, run)
        if kind is None or family is None:
            return run
        handlers = {"activation": self._activation, "norm": self._norm, "kernel": self._kernel}
        return partial(handlers[family], function, kind, run)

    def _clamp(self, function: TorchFunction, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        found = clamp_kind(arguments_of(plain_name(function.name), args, kwargs))
        if found is None:
            return run(*args, **kwargs)
        return self._activation(function, self.watched.table.kind(found), run, *args, **kwargs)

    def _activation(
        self, function: TorchFunction, kind: Kind, run: Runnable, /, *args: Any, **kwargs: Any
    ) -> Any:
        x: Any = args[0] if args else kwargs.get("input")
        closed = closed_to(x)
        if closed is None or of_weights(x, self.samples):
            return run(*args, **kwargs)
        key = self.watched.now
        if closed:
            self.unseen.setdefault(key[0], closed)
            return run(*args, **kwargs)
        kind = self.watched.kind("activation") or kind
        moved = arguments_of(function.name, args, kwargs) if kind.name in moved_kinds() else {}
        reading = self._try(key, lambda: self._read_activation(key, kind.name, x, moved))
        if isinstance(reading, ActivationReading):
            reading.turn = self._ways.turn(key, x, self.layouts.axis(x.shape))
        out = run(*args, **kwargs)
        if isinstance(reading, ActivationReading) and isinstance(out, Tensor):
            self._after(reading, x, out)
        return out

    def _read_activation(
        self, key: Key, kind: str, x: Tensor, arguments: dict[str, Any]
    ) -> ActivationReading:
        axis = self.layouts.axis(x.shape)
        reading = measure.activation(x.detach(), axis, key, kind, arguments, self._scratch)
        reading.compares = x.shape[0] > 1 or self.samples <= 1
        self.activations.append(reading)
        if x.requires_grad and torch.is_grad_enabled():
            reading.asked = True
            hook = partial(measure.keep_largest, reading.gradients, axis)
            self.handles.append(x.register_hook(hook))  # type: ignore[no-untyped-call]
        return reading

    def _after(self, reading: ActivationReading, x: Tensor, out: Tensor) -> None:
        self._made.append((reading, out.grad_fn or weakref.ref(out)))
        self._gates.note(reading, x, out)
        if out.shape == x.shape:
            with unseen():
                reading.after = measure.sampled(out.detach(), self.layouts.axis(x.shape))

    def _product(self, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        self._gates.multiplied(args)
        return run(*args, **kwargs)

    def _norm(
        self, function: TorchFunction, kind: Kind, run: Runnable, /, *args: Any, **kwargs: Any
    ) -> Any:
        arguments = arguments_of(function.name, args, kwargs)
        x: Any = arguments.get("input")
        if closed_to(x) != "":
            return run(*args, **kwargs)
        kind = self.watched.kind("norm") or kind
        key = self.watched.now
        running = norm_measure.running(arguments)
        out = run(*args, **kwargs)
        self._ways.carried(x, out)
        self.layouts.note(out.shape, kind.name)
        axis = self.layouts.axis(out.shape)
        tracked = self._tracked.get(self.watched.path)
        reading = self._try(
            key,
            lambda: norm_measure.norm(
                x.detach(), axis, key, kind, arguments, out, running, tracked
            ),
        )
        if isinstance(reading, NormReading):
            reading.turn = self._ways.turn(key, x, axis)
            self.norms.append(reading)
        return out

    def _kernel(
        self, function: TorchFunction, kind: Kind, run: Runnable, /, *args: Any, **kwargs: Any
    ) -> Any:
        x, weight = operands(kind.name, args, kwargs)
        out = run(*args, **kwargs)
        if weight is None:
            return out
        known = "linear" if kind.name == "matmul" else kind.name
        if isinstance(out, Tensor):
            self.layouts.note(out.shape, known)
        reading = self._kernels.note(self.watched.now, known, x, weight)
        turn = self._ways.fed(self.watched.now, x, out, self.layouts)
        reading.turn = reading.turn if reading.turn.order else turn
        return out

    def _try(self, key: Key, read: Callable[[], Any]) -> Any:
        """A reading, or None with the reason kept: the user's forward must not fail over ours."""
        try:
            with unseen():
                return read()
        except (RuntimeError, NotImplementedError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            self.unseen.setdefault(key[0], first_line(f"could not be measured: {error}"))
            return None
