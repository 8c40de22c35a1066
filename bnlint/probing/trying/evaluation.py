"""What evaluation depends on besides the sample: its company, chance, one training forward."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import torch
from torch import nn

from bnlint.domain.errors import ProbeError
from bnlint.domain.trials import Alone, CallSite, Parting
from bnlint.models.nested import samples, tensors
from bnlint.probing.given.batches import Batch
from bnlint.probing.session import Session
from bnlint.probing.trying.experiments import flat, run
from bnlint.probing.trying.footprints import ENDS, Footprints, rescaled
from bnlint.tracing.forward import kind_of

SIZES = (5, 7, 3, 11)
"""Sizes of a small batch: one that is no other size of the input tells the batch dimension."""

FAR_MORE = 4
"""Times as many entries in dimension 0 as in dimension 1: they are samples, not a sequence."""

LEAKS, CHANGES = 1e-3, 1e-4
"""The change of an output, over its spread, from which it depends on other samples, on chance."""


@torch.no_grad()
def sample_leak(session: Session, batch: Batch) -> Parting | None:
    """How far outputs change with other samples between the first and the last; None if not.

    Both are looked at: what runs along the batch may reach only those that follow.
    """
    size = _size(batch)
    if size is None or _is_graph(batch):
        return None
    one = batch.part(slice(size))
    other = batch.part(torch.tensor([0, *range(size, 2 * size - 2), size - 1]))
    trail = Footprints(session.watched, size)
    with session.watched.by(trail):
        first = run(session, one, ())
    again = run(session, one, ())
    second = Footprints(session.watched, size, trail)
    with session.watched.by(second):
        changed = run(session, other, ())
    change = _change_of_ends(first, changed, size)
    if not change > LEAKS or not change > 10 * _change_of_ends(first, again, size):
        return None
    return Parting(change, second.parted, _may_be_sequence(session, batch, first, second.parted))


def _may_be_sequence(session: Session, batch: Batch, outputs: Any, at: CallSite | None) -> bool:
    """Whether dimension 0 may be the sequence, as torch's layers take it by default.

    The leak begins at such a layer, all outputs have the first two dimensions of the input, and
    there are not many more samples than entries in dimension 1.
    """
    module: Any = session.watched.registry.root
    for name in at.layer.split(".") if at is not None and at.layer else ():
        module = getattr(module, name, None)
    if at is None or getattr(module, "batch_first", True):
        return False
    size = samples(outputs)
    taken = [t.shape for t in tensors((batch.args, dict(batch.kwargs))) if t.ndim > 1]
    kept = all(
        t.ndim > 1 and any(t.shape[1] == shape[1] for shape in taken)
        for t in tensors(outputs)
        if t.ndim and t.shape[0] == size
    )
    classes = [t for t in tensors(batch.targets) if t.ndim == 1 and t.shape[0] == batch.samples]
    return kept and not classes and all(shape[0] <= FAR_MORE * shape[1] for shape in taken)


def _size(batch: Batch) -> int | None:
    """The size of the small batches, of which two must fit into the batch."""
    taken = {n for t in tensors((batch.args, dict(batch.kwargs))) for n in t.shape[1:]}
    fitting = [n for n in SIZES if 2 * n - 1 <= batch.samples]
    return next((n for n in fitting if n not in taken), None)


def _is_graph(batch: Batch) -> bool:
    """True where rows are nodes, which are meant to hear of each other."""
    found = list(tensors((batch.args, dict(batch.kwargs))))
    whole = (t for t in found if t.ndim == 2 and not t.is_floating_point())
    return any(t.shape[0] == 2 != batch.samples for t in whole) or any(
        t.layout is not torch.strided for t in found
    )


def _change_of_ends(a: Any, b: Any, size: int) -> float:
    """The largest change of the outputs of the first and last sample, over the rms of all."""
    largest = 0.0
    for one, other in zip(tensors(a), tensors(b), strict=False):
        comparable = one.is_floating_point() and one.ndim and one.shape == other.shape
        if not comparable or one.shape[0] != size or size in one.shape[1:]:
            continue  # a matrix of samples against samples is about all of them
        rms = float(one.float().square().mean().sqrt())
        change = float((one[ENDS].float() - other[ENDS].float()).abs().max())
        largest = max(largest, change / rms if rms > 0 else 0.0)
    return largest


@torch.no_grad()
def chance(session: Session, batch: Batch) -> Parting | None:
    """How far two equal evaluations differ, and where; None if they do not."""
    batch = batch.part(slice(min(batch.samples, 8)))
    trail = Footprints(session.watched)
    with session.watched.by(trail):
        first = flat(run(session, batch, ()), batch.samples)
    second = Footprints(session.watched, before=trail)
    with session.watched.by(second):
        other = flat(run(session, batch, (), session.seed + 1), batch.samples)
    if first.shape != other.shape:
        return Parting(1.0, second.parted)
    rms = float(first.square().mean().sqrt())
    change = float((first - other).abs().max())
    return Parting(change / rms, second.parted) if change > CHANGES * rms > 0 else None


@torch.no_grad()
def first_evaluation(session: Session, batch: Batch) -> tuple[float, CallSite | None]:
    """The scale of the outputs in eval mode after one training forward, over that before it.

    Batch norms with a momentum stay in eval mode: their statistics move slowly, by design.
    """
    slow = {id(m) for m in session.model.modules() if _is_slow(session, m)}
    others = {id(m) for m in session.model.modules()} - slow
    trail = Footprints(session.watched)
    with session.watched.by(trail):
        before = flat(run(session, batch, ()), batch.samples)
    run(session, batch, others)
    second = Footprints(session.watched, before=trail, differs=rescaled)
    with session.watched.by(second):
        after = flat(run(session, batch, ()), batch.samples)
    one, other = float(before.std()), float(after.std())
    return (other / one if one > 0 and other > 0 else 1.0), second.parted


def _is_slow(session: Session, module: nn.Module) -> bool:
    kind = kind_of(module, session.table)
    normal = kind is not None and "norm" in kind.tags
    return (normal and getattr(module, "momentum", 0.1) is not None) or isinstance(
        module, nn.Dropout
    )


@torch.no_grad()
def alone(session: Session, batch: Batch) -> Alone | None:
    """What a single sample does in eval mode that three do not; None if nothing."""
    if batch.samples < 3 or _is_graph(batch):
        return None
    three = _shapes(session, batch.part(slice(3)))
    try:
        one = _shapes(session, batch.part(slice(1)))
    except ProbeError as error:
        return Alone(error=error.mistakes[0].message)
    pairs = zip(one, three, strict=False)
    odd = next((p for p in pairs if len(p[0]) != len(p[1])), None)
    return Alone(one=odd[0], three=odd[1]) if odd is not None else None


def _shapes(session: Session, batch: Batch, training: Container[int] = ()) -> list[tuple[int, ...]]:
    return [tuple(t.shape) for t in tensors(run(session, batch, training))]
