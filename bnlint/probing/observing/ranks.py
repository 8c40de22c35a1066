"""Under ``torchrun`` each rank probes its shard; the readings of all are put together here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from torch import distributed

from bnlint.domain.errors import Mistake, ProbeError
from bnlint.probing.observing.readings import KernelReading
from bnlint.probing.session import Observed, Session

T = TypeVar("T")


def agreed(run: Callable[[], T]) -> T:
    """What ``run`` returns, once it has returned on every rank: no rank may wait for a failed one.

    Raises
    ------
    ProbeError
        If it was raised on this rank or on another.

    """
    if not _many():
        return run()
    found, mistakes = None, None
    try:
        found = run()
    except ProbeError as error:
        mistakes = [(m.message, m.hint) for m in error.mistakes]
    every: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(every, mistakes)
    for rank, messages in enumerate(every):
        if messages:
            raise ProbeError(*(Mistake(f"rank {rank}: {m}", hint=hint) for m, hint in messages))
    return cast(T, found)


def gathered(session: Session, seen: Observed) -> Observed:
    """The observation as if one process had seen the batches of every rank, in their order.

    The readings lie in host memory, small tensors each. Without a process group, or with one rank,
    they are what they were.
    """
    if not _many():
        return seen
    session.note(f"merged over {distributed.get_world_size()} ranks")
    observer = seen.observer
    own = (
        observer.activations,
        observer.norms,
        {name: k.norms for name, k in _named(observer.kernels.values())},
        (seen.losses, seen.samples, seen.outputs_finite),
    )
    every: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(every, own)
    observer.activations = [r for activations, _, _, _ in every for r in activations]
    observer.norms = [r for _, norms, _, _ in every for r in norms]
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
