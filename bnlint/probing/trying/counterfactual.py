"""What norms change: the same weights, batch, seed and objective without, before, after, as is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from bnlint.domain.errors import ProbeError
from bnlint.domain.probe import Comparison, Curve, Variant
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.placing import eager
from bnlint.probing.observing.merge import merged
from bnlint.probing.observing.readings import Key
from bnlint.probing.observing.summarise import activation_stats, kernel_stats
from bnlint.probing.session import Observed, Session, observe
from bnlint.probing.trying.arrange import PLACEMENTS, Rearranged
from bnlint.probing.untouched.guard import kept

RATES = (0.02, 0.1, 0.3)
"""The rates of plain gradient descent at which each variant trains."""

AS_WRITTEN = "as-written"


def compared(session: Session, batch: Batch, seen: Observed, steps: int) -> Comparison:
    """Every variant measured and trained for ``steps`` steps; the weights are put back each time.

    ``seen`` is the observation of the model as written.
    """
    spared = {r.key for r in seen.observer.activations if r.at_output or r.is_gate}
    variants = [_variant(session, batch, p, spared, steps) for p in PLACEMENTS]
    variants.append(_as_written(session, batch, seen, steps, variants[0]))
    objective = seen.objective
    return Comparison(tuple(variants), steps, batch.samples, objective, session.seed)


def _variant(
    session: Session, batch: Batch, placement: str, spared: Collection[Key], steps: int
) -> Variant:
    mode = Rearranged(session.model, session.table, placement, spared, batch.samples)
    try:
        session.reseed()
        with _arranged(session, mode):
            observed = observe(session, [batch])
            curves = _curves(session, batch, mode, steps)
    except ProbeError as error:
        return Variant(placement, len(mode.learned), (), (), (), error.mistakes[0].message)
    return _summary(placement, len(mode.learned), observed, curves)


def _as_written(
    session: Session, batch: Batch, seen: Observed, steps: int, none: Variant
) -> Variant:
    if not seen.observer.norms:
        return replace(none, name=AS_WRITTEN)
    found = _summary(AS_WRITTEN, len({r.key for r in seen.observer.norms}), seen, ())
    try:
        return replace(found, curves=_curves(session, batch, None, steps))
    except ProbeError as error:
        return replace(found, error=error.mistakes[0].message)


def _summary(name: str, norms: int, observed: Observed, curves: tuple[Curve, ...]) -> Variant:
    seen = observed.observer
    rows = tuple(map(activation_stats, merged(seen.activations)))
    return Variant(name, norms, rows, kernel_stats(seen.kernels.values()), curves)


@contextmanager
def _arranged(session: Session, mode: Rearranged) -> Iterator[None]:
    """Runs each forward of the session under ``mode``, outside of any observer."""
    session.around = mode
    try:
        yield
    finally:
        session.around = None


def _curves(
    session: Session, batch: Batch, mode: Rearranged | None, steps: int
) -> tuple[Curve, ...]:
    """The loss over the steps at each rate, from the same weights and seed."""
    learned = [p for pair in mode.learned.values() for p in pair] if mode is not None else []
    trained = [p for p in session.model.parameters() if p.requires_grad] + learned
    if not trained or steps < 1:
        return ()
    states: list[Tensor] = [*trained, *session.model.buffers()]
    start = [s.detach().clone() for s in states]
    batch = batch.on(session.device)
    curves = []
    for rate in RATES:
        try:
            curves.append(Curve(rate, _descend(session, batch, trained, rate, steps)))
        finally:
            with torch.no_grad():
                for state, value in zip(states, start, strict=True):
                    state.copy_(value)
    return tuple(curves)


def _descend(
    session: Session, batch: Batch, trained: Sequence[nn.Parameter], rate: float, steps: int
) -> tuple[float, ...]:
    """The losses before the first and after every step of plain gradient descent."""
    session.reseed()
    losses = []
    with eager():
        for step in range(steps + 1):
            with kept(batch.parts):
                loss = session.loss(batch)
                losses.append(loss.detach())
                if step == steps or not loss.requires_grad:
                    break
                gradients = torch.autograd.grad(loss, trained, allow_unused=True)
            with torch.no_grad():
                for parameter, gradient in zip(trained, gradients, strict=True):
                    if gradient is not None:
                        parameter.sub_(gradient, alpha=rate)
    return tuple(torch.stack(losses).float().cpu().tolist())
