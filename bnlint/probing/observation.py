"""The batches of a probe, run forward and backward under observation.

Under ``torchrun`` each rank probes its shard, and the readings of all are put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed

from bnlint.domain.errors import Mistake, ProbeError, in_words, is_out_of_memory
from bnlint.models.nested import tensors
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.placing import eager
from bnlint.probing.observing.measure import norms_of, same_units
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import KernelReading, bring, unseen
from bnlint.probing.session import Session
from bnlint.probing.untouched import kept

T = TypeVar("T")


@dataclass(slots=True)
class Observed:
    """What an observation brought to the host."""

    observer: Observer
    objective: str
    losses: list[float]
    samples: int
    outputs_finite: bool


def observe(session: Session, batches: list[Batch]) -> Observed:
    """Runs every batch forward and backward under observation, then brings all over at once.

    A batch that does not fit into memory is halved until it does, and that is noted.
    """
    observer = Observer(session.watched)
    scalars: list[Tensor] = []
    waiting, samples, objective = list(batches), 0, ""
    try:
        with eager():
            while waiting:
                batch = waiting.pop(0)
                marks = _marks(observer)
                try:
                    found, name = _step(session, observer, batch.on(session.device))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    _rewind(observer, *marks)
                    waiting[:0] = _halves(session, batch, error)
                    continue
                scalars += found
                objective = objective or name
                samples += batch.samples
    finally:
        observer.release()
    with unseen():
        kernels = list(observer.kernels.values())
        norms = norms_of([kernel.weight for kernel in kernels])
        for kernel, norm in zip(kernels, norms, strict=True):
            kernel.weight_norm, kernel.identical = norm, same_units(kernel.weight)
    numbers = bring(observer.readings, scalars)
    return Observed(observer, objective, numbers[::2], samples, all(numbers[1::2]))


def _step(session: Session, observer: Observer, batch: Batch) -> tuple[tuple[Tensor, Tensor], str]:
    """The loss and whether all outputs are finite, still on the device; what the loss is."""
    observer.samples = batch.samples
    with kept(session.watched, batch.parts):
        with observer.watching():
            outputs = session.forward(batch)
            found = list(tensors(outputs))
            observer.returned(found)
        session.layouts = observer.layouts
        loss, name = session.objective(outputs, batch.targets)
        floats = [t.detach() for t in found if t.is_floating_point()]
        fine = [t.isfinite().all() for t in floats] or [loss.isfinite()]
        _gradients(session, observer, loss)
        observer.release()
        return (loss.detach(), torch.stack(fine).all().float()), name


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
    scaled = loss * session.scale
    try:
        found = torch.autograd.grad(scaled, list(wanted.values()), allow_unused=True)
    except Exception as error:  # of torch, or of the user's own hooks and functions
        if is_out_of_memory(error):
            raise
        session.note(f"no gradient: the backward raised {in_words(error)}")
        observer.no_gradient()
        return
    with unseen():
        _keep(observer, dict(zip(wanted, found, strict=True)), session.scale)


def _keep(observer: Observer, gradients: dict[int, Tensor | None], scale: float) -> None:
    found = [(k, gradients.get(id(k.weight))) for k in observer.kernels.values()]
    norms = iter(norms_of([gradient for _, gradient in found if gradient is not None]))
    for kernel, gradient in found:
        if gradient is not None:
            kernel.norms.append(next(norms) / scale)
        elif kernel.trainable:
            kernel.norms.append(kernel.weight.new_zeros((), dtype=torch.float32))
    if scale != 1:
        for reading in observer.activations:
            reading.gradients[:] = [g / scale for g in reading.gradients]


def _marks(observer: Observer) -> tuple[int, int, list[tuple[Hashable, KernelReading, int]]]:
    kernels = [(key, kernel, len(kernel.norms)) for key, kernel in observer.kernels.items()]
    return len(observer.activations), len(observer.norms), kernels


def _rewind(observer: Observer, activations: int, norms: int, kernels: Iterable[Any]) -> None:
    """Forgets what a batch left that did not come to its end."""
    observer.release()
    del observer.activations[activations:], observer.norms[norms:]
    observer.kernels.clear()
    for key, kernel, count in kernels:
        del kernel.norms[count:]
        observer.kernels[key] = kernel


def _halves(session: Session, batch: Batch, error: Exception) -> list[Batch]:
    """The batch in two, with a note; its caches are given back first."""
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
    half = session.fits = (total + 1) // 2
    session.note(f"out of memory with {total} samples at once: went on with {half}")
    return [batch.part(slice(half)), batch.part(slice(half, None))]


def agreed(run: Callable[[], T]) -> T:
    """What ``run`` returns, once it has returned on every rank: no rank may wait for a failed one.

    A ProbeError of one rank is raised on all.
    """
    if not _many():
        return run()
    found, mistakes = None, None
    try:
        found = run()
    except ProbeError as error:
        mistakes = [(m.message, m.hint) for m in error.mistakes]
    for rank, messages in enumerate(_of_all(mistakes)):
        if messages:
            raise ProbeError(*(Mistake(f"rank {rank}: {m}", hint=hint) for m, hint in messages))
    return cast(T, found)


def gathered(session: Session, seen: Observed) -> Observed:
    """The observation as if one process had seen the batches of every rank, in their order.

    The readings are small tensors in host memory. Without a process group, or with one rank, the
    observation is returned as it is.
    """
    if not _many():
        return seen
    session.note(f"merged over {distributed.get_world_size()} ranks")
    observer = seen.observer
    norms = {name: k.norms for name, k in _named(observer.kernels.values())}
    numbers = seen.losses, seen.samples, seen.outputs_finite
    every = _of_all((observer.activations, observer.norms, norms, numbers))
    observer.activations = [r for activations, *_ in every for r in activations]
    observer.norms = [r for _, norms, *_ in every for r in norms]
    for name, kernel in _named(observer.kernels.values()):
        kernel.norms = [n for _, _, kernels, _ in every for n in kernels.get(name, ())]
    return Observed(
        observer,
        seen.objective,
        [loss for *_, (losses, _, _) in every for loss in losses],
        sum(samples for *_, (_, samples, _) in every),
        all(finite for *_, (_, _, finite) in every),
    )


def _named(kernels: Iterable[KernelReading]) -> Iterator[tuple[tuple[str, int], KernelReading]]:
    """Each kernel with its layer and how many of that layer came before: the same on every rank."""
    before: Counter[str] = Counter()
    for kernel in kernels:
        yield (kernel.layer, before[kernel.layer]), kernel
        before[kernel.layer] += 1


def _many() -> bool:
    available = distributed.is_available() and distributed.is_initialized()
    return available and distributed.get_world_size() > 1


def _of_all(own: Any) -> list[Any]:
    every: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(every, own)
    return every
