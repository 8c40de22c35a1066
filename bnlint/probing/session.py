"""One probe under way: model, device, objective, and the run under observation."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.domain.errors import ProbeError
from bnlint.layers.table import Table
from bnlint.probing.given import placing
from bnlint.probing.given.batches import Batch
from bnlint.probing.observing import measure
from bnlint.probing.observing.layout import Layouts
from bnlint.probing.observing.measure import norm_of
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import Reading, bring, unseen
from bnlint.probing.trying.objective import Objective
from bnlint.probing.untouched.guard import seed
from bnlint.probing.untouched.writes import kept
from bnlint.tracing.forward.registry import Registry
from bnlint.tracing.forward.watched import Subscriber, WatchedForward
from bnlint.tracing.nested import tensors

HALF_SCALE = 1024.0
"""Losses in float16 are scaled up by this, so that small gradients do not underflow to zero."""


@dataclass(slots=True)
class Session:
    """What all steps of one probe share; ``notes`` collects what the reader must know.

    ``watched`` is the model's forward, for everyone who looks at it.
    """

    model: nn.Module
    device: torch.device
    dtype: torch.dtype | None
    objective: Objective
    table: Table
    seed: int = 0
    layouts: Layouts = field(default_factory=Layouts)
    scale: float = 1.0
    notes: list[str] = field(default_factory=list)
    watched: WatchedForward = field(init=False)
    _changes: tuple[Subscriber, ...] = ()

    def __post_init__(self) -> None:
        self.watched = WatchedForward(Registry(self.model), self.table)
        half = any(p.dtype is torch.float16 for p in self.model.parameters())
        self.scale = HALF_SCALE if half or self.dtype is torch.float16 else 1.0

    def forward(self, batch: Batch) -> Any:
        """What the model returns for a batch; its errors become the user's to read.

        Raises
        ------
        ProbeError
            If the forward raised; running out of memory passes through as it is.

        """
        try:
            with placing.autocast(self.device, self.dtype), self.watched.by(*self._changes):
                return self.model(*batch.args, **batch.kwargs)
        except Exception as error:
            if measure.out_of_memory(error):
                raise
            shapes = ", ".join(str(tuple(t.shape)) for t in tensors((batch.args, batch.kwargs)))
            first = (str(error).splitlines() or [""])[0]
            raise ProbeError(
                f"the model's forward raised {type(error).__name__}: {first}",
                hint=f"it was called with {shapes or 'no tensor'}; check shapes and types",
            ) from error

    def loss(self, batch: Batch) -> Tensor:
        """The objective on a batch that is on the device already."""
        return self.objective.value(self.forward(batch), batch.targets, self.layouts)[0]

    @contextmanager
    def changed_by(self, change: Subscriber) -> Iterator[None]:
        """Lets ``change`` replace calls in each forward; observers see what it makes of them."""
        self._changes = (change,)
        try:
            yield
        finally:
            self._changes = ()

    def reseed(self) -> None:
        """Every random choice of the model (dropout) the same from here."""
        seed(self.device, self.seed)

    def note(self, text: str) -> None:
        """Says ``text`` once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(slots=True)
class Observed:
    """What an observation brought to the host."""

    observer: Observer
    objective: str
    losses: list[float]
    samples: int
    outputs_finite: bool


def observe(session: Session, batches: list[Batch], gradients: bool = True) -> Observed:
    """Runs every batch forward and backward under observation, then brings all over at once.

    A batch that does not fit into memory is halved until it does, and that is noted.
    """
    observer = Observer(session.watched)
    losses: list[Tensor] = []
    finite: list[Tensor] = []
    names: list[str] = []
    waiting, samples = list(batches), 0
    try:
        with placing.eager():
            while waiting:
                batch = waiting.pop(0)
                marks = _marks(observer)
                try:
                    loss, name, fine = _one(session, observer, batch, gradients)
                except Exception as error:
                    if not measure.out_of_memory(error):
                        raise
                    _rewind(observer, marks)
                    waiting[:0] = _halves(session, batch, error)
                    continue
                losses.append(loss)
                finite.append(fine)
                names.append(name)
                samples += batch.samples
    finally:
        observer.release()
    with unseen():
        for kernel in observer.kernels.values():
            kernel.weight_norm = norm_of(kernel.weight)
    readings: list[Reading] = [*observer.activations, *observer.norms, *observer.kernels.values()]
    scalars = bring(readings, [*losses, *finite])
    count = len(losses)
    return Observed(observer, names[0], scalars[:count], samples, all(scalars[count:]))


def _one(
    session: Session, observer: Observer, batch: Batch, gradients: bool
) -> tuple[Tensor, str, Tensor]:
    batch = batch.on(session.device)
    with kept(session.watched, batch.parts):
        return _step(session, observer, batch, gradients)


def _step(
    session: Session, observer: Observer, batch: Batch, gradients: bool
) -> tuple[Tensor, str, Tensor]:
    observer.samples = batch.samples
    with observer.watching():
        outputs = session.forward(batch)
        found = list(tensors(outputs))
        observer.returned(found)
    session.layouts = observer.layouts
    loss, name = session.objective.value(outputs, batch.targets, session.layouts)
    floats = [t.detach() for t in found if t.is_floating_point()]
    fine = [t.isfinite().all() for t in floats] or [loss.isfinite()]
    if gradients:
        _gradients(session, observer, loss)
    observer.release()
    return loss.detach(), name, torch.stack(fine).all().float()


def _gradients(session: Session, observer: Observer, loss: Tensor) -> None:
    """Lets the gradient flow to every trainable weight, past the hooks of the observer."""
    if not loss.requires_grad:
        session.note("no gradient: the loss depends on no trainable weight")
        return
    wanted: dict[int, Tensor] = {id(p): p for p in session.model.parameters() if p.requires_grad}
    wanted |= {id(k.weight): k.weight for k in observer.kernels.values() if k.weight.requires_grad}
    if not wanted:
        session.note("no gradient: every weight is frozen")
        return
    scale = session.scale
    try:
        found = torch.autograd.grad(loss * scale, list(wanted.values()), allow_unused=True)
    except Exception as error:  # of torch, or of the user's own hooks and functions
        if measure.out_of_memory(error):
            raise
        first = (str(error).splitlines() or [""])[0]
        session.note(f"no gradient: the backward raised {type(error).__name__}: {first}")
        observer.no_gradient()
        return
    with unseen():
        _keep(observer, dict(zip(wanted, found, strict=True)), scale)


def _keep(observer: Observer, gradients: dict[int, Tensor | None], scale: float) -> None:
    for kernel in observer.kernels.values():
        gradient = gradients.get(id(kernel.weight))
        if gradient is not None:
            kernel.norms.append(norm_of(gradient) / scale)
        elif kernel.trainable:
            kernel.norms.append(kernel.weight.new_zeros((), dtype=torch.float32))
    if scale != 1:
        for reading in observer.activations:
            reading.gradients[:] = [g / scale for g in reading.gradients]


def _marks(observer: Observer) -> tuple[int, int, dict[Hashable, int]]:
    norms = {key: len(kernel.norms) for key, kernel in observer.kernels.items()}
    return len(observer.activations), len(observer.norms), norms


def _rewind(observer: Observer, marks: tuple[int, int, dict[Hashable, int]]) -> None:
    """Forgets what a batch left that did not come to its end."""
    observer.release()
    activations, norms, kernels = marks
    del observer.activations[activations:]
    del observer.norms[norms:]
    for key in list(observer.kernels):
        if key in kernels:
            del observer.kernels[key].norms[kernels[key] :]
        else:
            del observer.kernels[key]


def _halves(session: Session, batch: Batch, error: Exception) -> list[Batch]:
    """The batch in two, with a note; its caches are given back first.

    Raises
    ------
    ProbeError
        If it is too small to halve.

    """
    error.__traceback__ = None
    give_back = getattr(getattr(torch, session.device.type, None), "empty_cache", None)
    if give_back is not None:
        give_back()
    total = batch.samples
    if total < 4:
        raise ProbeError(
            f"out of memory on {session.device} with {total} samples",
            hint="use a device with more memory, or a lower precision (dtype=)",
        )
    half = (total + 1) // 2
    session.note(f"out of memory with {total} samples at once: went on with {half}")
    return [batch.slice(0, half), batch.slice(half, total)]
