"""One training step under observation: from its forward to the numbers on the host."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from bnlint.domain.finding import Report
from bnlint.probing.given.placing import home
from bnlint.probing.judging.findings import judged
from bnlint.probing.observing.measure import norm_of
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import KernelReading, Transfer
from bnlint.probing.observing.summarise import measured
from bnlint.probing.showing import Probed, showing
from bnlint.probing.training.loss_catcher import LossCatcher
from bnlint.probing.training.recent_units import RecentUnits
from bnlint.probing.training.weight_updates import WeightUpdates


class ObservedStep:
    """A step whose forward was observed; backward and the optimizer's step follow.

    ``age`` counts the training forwards since.
    """

    def __init__(self, model: nn.Module, observer: Observer, number: int) -> None:
        self.model, self.observer, self.number = model, observer, number
        self.age = 0
        self.updates = WeightUpdates(model)
        self.catcher = LossCatcher(lambda: self.reached)
        self._transfer: Transfer | None = None
        self.catcher.arm()
        for kernel in observer.kernels.values():
            kernel.weight_norm = norm_of(kernel.weight)
            if kernel.weight.requires_grad:
                hook = kernel.weight.register_hook(partial(_keep, kernel))  # type: ignore[no-untyped-call]
                observer.handles.append(hook)

    @property
    def reached(self) -> bool:
        """True once a gradient has arrived at a weight."""
        return any(kernel.norms for kernel in self.observer.kernels.values())

    @property
    def finished(self) -> bool:
        """True once the optimizer has made its step."""
        return self.reached and self.updates.done

    @property
    def ready(self) -> bool:
        """True once the numbers are on the host."""
        return self._transfer is not None and self._transfer.ready

    def next_forward(self) -> None:
        """Another forward begins: gradients from here on are not of this step."""
        self.age += 1
        if self.reached:
            self.release()

    def release(self) -> None:
        """Removes the hooks."""
        self.catcher.disarm()
        self.observer.release()

    def send(self) -> None:
        """Compares the weights and sends all numbers to the host, without waiting for them."""
        if self._transfer is None:
            self.release()
            self.updates.compare()
            loss = [] if self.catcher.loss is None else [self.catcher.loss]
            self._transfer = Transfer(self.observer.readings, [*self.updates.norms, *loss])

    def result(self, recent: RecentUnits, streaks: Counter[str]) -> Probed:
        """The result of this step, judged, with what the units did in the ``recent`` ones."""
        assert self._transfer is not None, "send() comes first"
        scalars = self._transfer.finish()
        count = len(self.updates.norms)
        loss = next(filter(math.isfinite, scalars[count:]), None)
        result = measured(
            self.model,
            self.observer,
            device=str(home(self.model)),
            dtype=_precision(self.model, self.observer),
            samples=self.observer.samples,
            batches=1,
            source="user",
            objective="the training loss",
            loss=loss,
        )
        result = replace(
            result,
            activations=recent.add(self.observer),
            updates=self.updates.rows(scalars[:count], streaks),
        )
        findings = judged(result, type(self.model))
        return showing(replace(result, report=Report(findings=findings, torch=torch.__version__)))


def _precision(model: nn.Module, seen: Observer) -> str:
    """The type of what the first activation gets, else of the first weight."""
    dtypes = [a.dtype for a in seen.activations] + [str(p.dtype) for p in model.parameters()]
    return next(iter(dtypes), "float32").removeprefix("torch.")


def _keep(kernel: KernelReading, gradient: Tensor) -> None:
    kernel.norms.append(norm_of(gradient))
