"""Probing now and then while a model trains, at next to no cost: the training step itself is read.

Every ``every``-th forward in train mode runs under observation, and the gradients are those of the
user's own backward. The numbers are sent to the host when the optimizer has made its step, and
taken at a later forward: no step waits for the device. Only :meth:`Watch.flush` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.domain.errors import UsageError
from bnlint.layers.table import Table, builtin_table
from bnlint.models.nested import samples, tensors
from bnlint.probing.given.placing import CAN_RUN_EAGER, eager, unwrapped
from bnlint.probing.observing.observer import Observer
from bnlint.probing.showing import Probed
from bnlint.probing.training.announcing import Announcer
from bnlint.probing.training.loggers import Sink, numbers, sink_of
from bnlint.probing.training.observed_step import ObservedStep
from bnlint.probing.training.recent_units import RecentUnits
from bnlint.probing.training.weight_updates import after_each_step
from bnlint.tracing.forward import WatchedForward
from bnlint.tracing.forward.module_names import Registry

PATIENCE = 16
"""Forwards to wait for the step of an optimizer: gradients may be accumulated, or never used."""


def watch(
    model: nn.Module,
    every: int = 100,
    *,
    log: Any = None,
    keep: int = 20,
    quiet: bool = False,
    step: Callable[[], int] | None = None,
    table: Table | None = None,
) -> Watch:
    """A context in which every ``every``-th training forward of ``model`` is probed.

    Parameters
    ----------
    model
        The model as it is trained; nothing about it changes but two hooks, until the end. A
        compiled one runs uncompiled in the steps that are probed.
    every
        How many steps from one probe to the next; the first one is probed.
    log
        Where numbers go: a TensorBoard ``SummaryWriter``, the path of a folder for one, a run of
        Weights & Biases, or a function of the step and a mapping of names to numbers.
    keep
        How many of the latest results stay in ``results``.
    quiet
        Whether findings stay in ``results`` only; otherwise warnings and errors are written to
        standard error when they first appear.
    step
        A function that returns the trainer's own step number, so that numbers are logged beside
        those of the trainer. Without it, training forwards are counted from 0.
    table
        The table of layers with the user's own rows.

    Raises
    ------
    UsageError
        ``every`` is not positive, or TensorBoard is wanted and missing.

    """
    if every < 1:
        raise UsageError(f"every={every}: it must be 1 or more")
    return Watch(model, _Options(every, keep, quiet, step, sink_of(log), table or builtin_table()))


@dataclass(frozen=True, slots=True)
class _Options:
    """What :func:`watch` was called with."""

    every: int
    keep: int
    quiet: bool
    step: Callable[[], int] | None
    sink: Sink | None
    table: Table


class Watch:
    """The running watch; ``results`` holds pairs of step and result, latest last.

    ``step`` is the number of the latest training forward, or what the trainer calls it.
    """

    def __init__(self, model: nn.Module, options: _Options) -> None:
        self.outer, self.model, self.options = model, unwrapped(model), options
        self.results: list[tuple[int, Probed]] = []
        self.step = -1
        self._last: int | None = None
        self._handles: list[Any] = []
        self._compiled: Callable[..., Any] | None = None
        self._wrapped: Callable[..., Any] | None = None
        self._running: tuple[Observer, ExitStack] | None = None
        self._pending: ObservedStep | None = None
        self._recent = RecentUnits()
        self._streaks: Counter[str] = Counter()
        self._announcer = Announcer(options.quiet)

    @property
    def last(self) -> Probed | None:
        """The latest result."""
        return self.results[-1][1] if self.results else None

    def __enter__(self) -> Watch:
        """Starts to count forwards."""
        self._handles = [after_each_step(self._stepped)]
        self._compiled = getattr(self.model, "_compiled_call_impl", None)
        if self._compiled is not None:  # by model.compile(): hooks would be compiled with the rest
            self.model._compiled_call_impl = self._around(self._compiled)
            return self
        if self.outer is not self.model and not CAN_RUN_EAGER:
            self._wrapped = vars(self.outer).get("forward")  # that of torch.compile's wrapper
        if self._wrapped is not None:
            self.outer.forward = self._plain_if_observed
        self._handles += [
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
        if self._wrapped is not None:
            self.outer.forward = self._wrapped
            self._wrapped = None
        self._stop()
        if kind is None:
            self.flush()
        elif self._pending is not None:
            self._pending.release()

    def flush(self) -> None:
        """Takes and logs the numbers of the last observed step, waiting for the device."""
        if self._pending is not None:
            self._pending.send()
            self._take(self._pending)

    def poll(self) -> None:
        """Takes and logs the numbers of the last observed step if they have arrived."""
        pending = self._pending
        if pending is None:
            return
        if pending.finished or pending.age > PATIENCE:
            pending.send()
        if pending.ready:
            self._take(pending)

    def report_loss(self, loss: Tensor) -> None:
        """Replaces the loss of the latest forward, if that was observed: trainers scale theirs."""
        if self._pending is not None and self._pending.age == 0:
            self._pending.catcher.loss = loss.detach().clone()

    def _take(self, pending: ObservedStep) -> None:
        self._pending = None
        result = pending.result(self._recent, self._streaks)
        self.results = [*self.results, (pending.number, result)][-self.options.keep :]
        self._announcer.tell(pending.number, result.report.findings)
        if self.options.sink is not None:
            self.options.sink(pending.number, numbers(result))

    def _stepped(self, optimizer: torch.optim.Optimizer) -> None:
        if self._pending is not None:
            self._pending.updates.stepped(optimizer)

    def _before(self, _model: nn.Module, inputs: Any) -> None:
        if torch.compiler.is_compiling() or not self.model.training or not torch.is_grad_enabled():
            return
        self._stop()
        if self._pending is not None:
            self._pending.next_forward()
        self.poll()
        self.step = self.options.step() if self.options.step is not None else self.step + 1
        if self._is_due():
            self.flush()
            self._last = self.step
            observer = Observer(WatchedForward(Registry(self.model), self.options.table))
            observer.samples = samples(inputs)
            stack = ExitStack()
            stack.enter_context(eager())
            stack.enter_context(observer.watching())
            self._running = (observer, stack)

    def _is_due(self) -> bool:
        """True at the first step, and where a multiple of ``every`` was reached or passed."""
        every = self.options.every
        return self._last is None or self.step // every > self._last // every

    def _plain_if_observed(self, *args: Any, **kwargs: Any) -> Any:
        """The forward of a wrapper: the plain model's in the steps that are observed."""
        observed = self._running is not None or self._wrapped is None
        forward: Any = self.model if observed else self._wrapped
        return forward(*args, **kwargs)

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
        if observer.readings:
            self._pending = ObservedStep(self.model, observer, self.step)

    def _stop(self) -> None:
        """Ends the observation, also if the forward raised an error."""
        running, self._running = self._running, None
        if running is not None:
            running[1].close()
