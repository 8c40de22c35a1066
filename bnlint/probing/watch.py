"""Probing now and then while a model trains, at next to no cost: the training step itself is read.

Every ``every``-th forward in train mode runs under observation, and the gradients are those of the
user's own backward. The numbers are fetched when the next forward begins, or at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.domain.errors import UsageError
from bnlint.domain.finding import Report
from bnlint.domain.probe import ActivationStats, ProbeResult, site_name
from bnlint.layers.table import Table, builtin_table
from bnlint.models.nested import samples, tensors
from bnlint.probing.given.placing import eager, unwrapped
from bnlint.probing.judging.findings import judged
from bnlint.probing.judging.metric import numbers_of
from bnlint.probing.observing.measure import norm_of
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import KernelReading, bring
from bnlint.probing.observing.summarise import measured
from bnlint.probing.showing import Probed, showing
from bnlint.tracing.forward import WatchedForward
from bnlint.tracing.forward.module_names import Registry

Sink = Callable[[int, Mapping[str, float]], None]
"""Takes the step and numbers by name."""


def watch(
    model: nn.Module,
    every: int = 100,
    *,
    log: Any = None,
    keep: int = 20,
    table: Table | None = None,
) -> Watch:
    """A context in which every ``every``-th training forward of ``model`` is probed.

    Parameters
    ----------
    model
        The model as it is trained; nothing about it changes but two hooks, until the end. A
        compiled one runs uncompiled in the steps that are probed.
    every
        How many forwards from one probe to the next; the first one is probed.
    log
        Where numbers go: a TensorBoard ``SummaryWriter``, the path of a folder for one, or a
        function of the step and a mapping of names to numbers.
    keep
        How many of the latest results stay in ``results``.
    table
        The table of layers with the user's own rows.

    Raises
    ------
    UsageError
        ``every`` is not positive, or TensorBoard is wanted and missing.

    """
    if every < 1:
        raise UsageError(f"every={every}: it must be 1 or more")
    return Watch(model, every, _sink(log), keep, table)


class Watch:
    """The running watch; ``results`` holds pairs of step and result, latest last."""

    def __init__(
        self, model: nn.Module, every: int, sink: Sink | None, keep: int, table: Table | None
    ) -> None:
        self.outer, self.model = model, unwrapped(model)
        self.every, self.keep, self.table = every, keep, table
        self.results: list[tuple[int, Probed]] = []
        self.step = 0
        self._sink = sink
        self._handles: list[Any] = []
        self._compiled: Callable[..., Any] | None = None
        self._running: tuple[Observer, ExitStack] | None = None
        self._pending: tuple[Observer, int] | None = None

    @property
    def last(self) -> Probed | None:
        """The latest result."""
        return self.results[-1][1] if self.results else None

    def __enter__(self) -> Watch:
        """Starts to count forwards."""
        self._compiled = getattr(self.model, "_compiled_call_impl", None)
        if self._compiled is not None:  # by model.compile(): hooks would be compiled with the rest
            self.model._compiled_call_impl = self._around(self._compiled)
            return self
        self._handles = [
            self.outer.register_forward_pre_hook(self._before),
            self.outer.register_forward_hook(self._after, always_call=True),
        ]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Takes the last numbers and removes the hooks."""
        while self._handles:
            self._handles.pop().remove()
        if self._compiled is not None:
            self.model._compiled_call_impl = self._compiled
            self._compiled = None
        self._stop()
        if kind is None:
            self.flush()
        elif self._pending is not None:
            self._pending[0].release()

    def flush(self) -> None:
        """Fetches and logs the numbers of the last observed step; call it after the backward."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        observer, step = pending
        result = _result(self.model, observer)
        self.results = [*self.results, (step, result)][-self.keep :]
        if self._sink is not None:
            self._sink(step, numbers(result))

    def _before(self, _model: nn.Module, inputs: Any) -> None:
        if torch.compiler.is_compiling() or not self.model.training or not torch.is_grad_enabled():
            return
        self._stop()
        self.flush()
        if self.step % self.every == 0:
            table = self.table or builtin_table()
            observer = Observer(WatchedForward(Registry(self.model), table))
            observer.samples = samples(inputs)
            stack = ExitStack()
            stack.enter_context(eager())
            stack.enter_context(observer.watching())
            self._running = (observer, stack)
        self.step += 1

    def _around(self, compiled: Callable[..., Any]) -> Callable[..., Any]:
        """The compiled call, and the plain one for the steps that are observed."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self._before(self.model, args or tuple(kwargs.values()))
            if self._running is None:
                return compiled(*args, **kwargs)
            try:
                plain: Any = self.model._call_impl
                outputs = plain(*args, **kwargs)
                self._after(self.model, args, outputs)
                return outputs
            finally:
                self._stop()

        return call

    def _after(self, _model: nn.Module, inputs: Any, outputs: Any) -> None:
        if self._running is None:
            return
        observer = self._running[0]
        observer.returned(list(tensors(outputs)))
        self._stop()
        if not observer.activations:
            return
        for kernel in observer.kernels.values():
            kernel.weight_norm = norm_of(kernel.weight)
            if kernel.weight.requires_grad:
                hook = kernel.weight.register_hook(partial(_keep, kernel))  # type: ignore[no-untyped-call]
                observer.handles.append(hook)
        self._pending = observer, self.step - 1

    def _stop(self) -> None:
        """Ends the observation, also if the forward raised an error."""
        running, self._running = self._running, None
        if running is not None:
            running[1].close()


def _result(model: nn.Module, seen: Observer) -> Probed:
    seen.release()
    first = seen.activations[0]
    bring(seen.readings)
    weight = next(iter(model.parameters()), None)
    result = measured(
        model,
        seen,
        device=str(weight.device) if weight is not None else "cpu",
        dtype=first.dtype,
        samples=first.moments.samples,
        batches=1,
        source="user",
        objective="the training loss",
        loss=None,
    )
    findings = judged(result, type(model))
    return showing(replace(result, report=Report(findings=findings)))


def _keep(kernel: KernelReading, gradient: Tensor) -> None:
    kernel.norms.append(norm_of(gradient))


def numbers(result: ProbeResult) -> dict[str, float]:
    """The numbers of a result by name, as loggers take them."""
    logged = [n for n in numbers_of(ActivationStats) if n.logged]
    found = {
        f"bnlint/{n.name.replace('_', '-')}/{site_name(a.layer, a.call)}": n.read(a)
        for a in result.activations
        for n in logged
    }
    found["bnlint/gradient-ratio"] = result.gradient_ratio
    found["bnlint/findings"] = float(len(result.report.findings))
    return {name: value for name, value in found.items() if value is not None}


def _sink(log: Any) -> Sink | None:
    if hasattr(log, "add_scalar"):
        return partial(_write, log)
    if log is None or callable(log):
        sink: Sink | None = log
        return sink
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        hint = "pip install 'bnlint[tensorboard]'"
        raise UsageError("logging to TensorBoard needs it", hint=hint) from error
    return partial(_write, SummaryWriter(str(log)))


def _write(writer: Any, step: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        writer.add_scalar(name, value, step)
    writer.flush()
