"""Probing now and then while a model trains, at next to no cost: the training step itself is read.

Every ``every``-th forward in train mode runs under observation, and the gradients are those of the
user's own backward. The numbers come over when the next forward begins, or at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Report
from bnlint.domain.probe import ProbeResult
from bnlint.probing.merge import merged, merged_norms
from bnlint.probing.observe import Observer
from bnlint.probing.places import places
from bnlint.probing.readings import KernelReading, Reading, bring, norm_of
from bnlint.probing.result import Probed, showing
from bnlint.probing.run import unwrapped
from bnlint.probing.structure import samples, tensors
from bnlint.probing.summarise import activation_stats, kernel_stats, norm_stats
from bnlint.probing.verdict import judged
from bnlint.tracing.classify import Table

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

    Args:
        model: the model as it is trained; nothing about it changes but two hooks, until the end.
        every: how many forwards from one probe to the next; the first one is probed.
        log: where numbers go: a TensorBoard ``SummaryWriter``, the path of a folder for one, or a
            function of the step and a mapping of names to numbers.
        keep: so many latest results stay in ``results``.
        table: layer table with the user's own rows.

    Raises:
        UsageError: ``every`` is not positive, or TensorBoard is wanted and missing.

    """
    if every < 1:
        raise UsageError(Mistake(f"every={every}: it must be 1 or more"))
    return Watch(unwrapped(model), every, _sink(log), keep, table)


class Watch:
    """The running watch; ``results`` holds pairs of step and result, latest last."""

    def __init__(
        self, model: nn.Module, every: int, sink: Sink | None, keep: int, table: Table | None
    ) -> None:
        self.model, self.every, self.keep, self.table = model, every, keep, table
        self.results: list[tuple[int, Probed]] = []
        self.step = 0
        self._sink = sink
        self._handles: list[Any] = []
        self._running: tuple[Observer, ExitStack] | None = None
        self._pending: _Pending | None = None

    @property
    def last(self) -> Probed | None:
        """The latest result."""
        return self.results[-1][1] if self.results else None

    def __enter__(self) -> Watch:
        """Starts to count forwards."""
        before, after = self._before, self._after
        self._handles = [
            self.model.register_forward_pre_hook(before),
            self.model.register_forward_hook(after, always_call=True),
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the last numbers and removes the hooks."""
        while self._handles:
            self._handles.pop().remove()
        self._stop()
        if kind is None:
            self.flush()
        elif self._pending is not None:
            self._pending.drop()

    def flush(self) -> None:
        """Brings the numbers of the last observed step over, and logs them; call after backward."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        result = pending.result()
        self.results = [*self.results, (pending.step, result)][-self.keep :]
        if self._sink is not None:
            self._sink(pending.step, numbers(result))

    def _before(self, _model: nn.Module, inputs: Any) -> None:
        if not self.model.training or not torch.is_grad_enabled():
            return
        self._stop()
        self.flush()
        if self.step % self.every == 0:
            observer = Observer(self.model, self.table)
            observer.samples = samples(inputs)
            stack = ExitStack()
            stack.enter_context(observer.watching())
            observer.names.stack.push(self.model)
            self._running = (observer, stack)
        self.step += 1

    def _after(self, _model: nn.Module, inputs: Any, outputs: Any) -> None:
        if self._running is None:
            return
        observer = self._running[0]
        observer.returned(list(tensors(outputs)))
        self._stop()
        if observer.activations:
            self._pending = _Pending(self.model, observer, self.step - 1)

    def _stop(self) -> None:
        """Leaves the observation, also when the forward raised."""
        running, self._running = self._running, None
        if running is not None:
            running[1].close()


class _Pending:
    """An observed forward whose backward is still to come."""

    def __init__(self, model: nn.Module, observer: Observer, step: int) -> None:
        self.model, self.observer, self.step = model, observer, step
        for kernel in observer.kernels.values():
            kernel.weight_norm = norm_of(kernel.weight)
            if kernel.weight.requires_grad:
                hook = _keeper(kernel)
                observer.handles.append(kernel.weight.register_hook(hook))  # type: ignore[no-untyped-call]

    def drop(self) -> None:
        """Removes the hooks without looking."""
        self.observer.release()

    def result(self) -> Probed:
        """What was measured, judged."""
        seen = self.observer
        seen.release()
        readings: list[Reading] = [*seen.activations, *seen.norms, *seen.kernels.values()]
        bring(readings)
        rows = tuple(map(activation_stats, merged(seen.activations)))
        weight = next(iter(self.model.parameters()), None)
        result = ProbeResult(
            model=type(self.model).__name__,
            device=str(weight.device) if weight is not None else "cpu",
            dtype=rows[0].dtype,
            samples=rows[0].samples,
            batches=1,
            source="user",
            objective="the training loss",
            loss=None,
            activations=rows,
            norms=norm_stats(merged_norms(seen.norms)),
            kernels=kernel_stats(seen.kernels.values()),
            not_observable=seen.not_observable,
        )
        findings = judged(result, places(self.model, None))
        fields = {name: getattr(result, name) for name in result.__dataclass_fields__}
        return showing(ProbeResult(**{**fields, "report": Report(findings=findings)}))


def _keeper(kernel: KernelReading) -> Callable[[Tensor], None]:
    def keep(gradient: Tensor) -> None:
        kernel.norms.append(norm_of(gradient))

    return keep


def numbers(result: ProbeResult) -> dict[str, float]:
    """The numbers of a result by name, as loggers take them."""
    found: dict[str, float] = {}
    for a in result.activations:
        name = f"{a.layer}#{a.call + 1}" if a.call else a.layer
        shares = {"dead": a.dead, "always-on": a.always_on, "saturated": a.saturated}
        found |= {f"bnlint/{k}/{name}": v for k, v in shares.items() if v is not None}
        if a.signal is not None:
            found[f"bnlint/signal/{name}"] = a.signal
    ratio = result.gradient_ratio
    if ratio is not None:
        found["bnlint/gradient-ratio"] = ratio
    found["bnlint/findings"] = float(len(result.report.findings))
    return found


def _sink(log: Any) -> Sink | None:
    """The function that ``log`` stands for."""
    if log is None:
        return None
    if hasattr(log, "add_scalar"):
        return _scalars(log)
    if callable(log):
        sink: Sink = log
        return sink
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            Mistake("logging to TensorBoard needs it", hint="pip install 'bnlint[tensorboard]'")
        ) from error
    return _scalars(SummaryWriter(str(log)))


def _scalars(writer: Any) -> Sink:
    def write(step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return write
