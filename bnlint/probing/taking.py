"""Taking the measurements: what was asked for, enough batches, and what came of running them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from bnlint.domain.errors import Mistake, ProbeError
from bnlint.domain.finding import Report
from bnlint.domain.graph import ModelGraph
from bnlint.loading.parsing import Source
from bnlint.probing.given import batches as reading
from bnlint.probing.given.batches import SAMPLES, Batch
from bnlint.probing.given.noise import candidate, noise
from bnlint.probing.observing.ranks import agreed, gathered
from bnlint.probing.session import Observed, Session, observe


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; :func:`probe` documents each."""

    targets: Any = None
    inputs: Any = None
    samples: int = SAMPLES
    batch_size: int | None = None
    train: bool = True
    compare: bool = False
    steps: int = 30
    report: Report | None = None
    graph: ModelGraph | None = None
    source: Source | None = None


def checked(model: nn.Module, batch_size: int | None, steps: int) -> nn.Module:
    """The model, if it is one and the numbers make sense.

    Raises
    ------
        ProbeError: they do not.

    """
    if not isinstance(model, nn.Module):
        kind = type(model).__name__
        raise ProbeError(Mistake(f"a {kind} is no model", hint="give a torch.nn.Module, built"))
    if batch_size is not None and batch_size < 1:
        raise ProbeError(Mistake(f"batch_size={batch_size}: it must be 1 or more"))
    if steps < 0:
        raise ProbeError(Mistake(f"steps={steps}: it cannot be negative"))
    return model


def taken(session: Session, given: Any, wish: Wish) -> tuple[str, list[Batch], Observed]:
    """Where the inputs came from, the batches of this rank, and what all ranks observed.

    Raises
    ------
        ProbeError: there are no inputs, the model fails, or nothing was seen that can be judged.

    """
    source, batches, seen = agreed(lambda: _seen(session, given, wish))
    observed = gathered(session, seen)
    _check(session, observed)
    return source, batches, observed


def _seen(session: Session, given: Any, wish: Wish) -> tuple[str, list[Batch], Observed]:
    """Where the inputs came from, the batches, and what this process observed of them."""
    source, batches = _batches(session, given, wish)
    session.reseed()
    observed = observe(session, batches)
    if session.scale > 1 and _overflown(observed):
        session.scale = 1.0
        session.note("gradients overflow float16 at a scale of 1024: the loss is not scaled")
        session.reseed()
        observed = observe(session, batches)
    return source, batches, observed


def _batches(session: Session, given: Any, wish: Wish) -> tuple[str, list[Batch]]:
    """Where the inputs came from, and enough of them."""
    if given is None:
        return "synthetic", [_noise(session, wish)]
    read = reading.read(given, wish.targets, session.model)
    found = reading.enough(read, wish.samples)
    if found[-1].samples == 1 < found[0].samples:
        found.pop()  # a batch norm would raise; a loader of real data often ends so
        session.note("left out the last batch, which is a single sample")
    total = sum(b.samples for b in found)
    if total < 2:
        raise ProbeError(
            Mistake(
                "a batch of one sample tells nothing: dead units and a collapsing signal only "
                "show between samples",
                hint=f"give at least 2 samples, better {SAMPLES}",
            )
        )
    return (
        "file" if isinstance(given, (str, bytes)) or hasattr(given, "__fspath__") else "user"
    ), found


def _noise(session: Session, wish: Wish) -> Batch:
    if wish.samples < 2:
        raise ProbeError(Mistake("a batch of one sample tells nothing", hint="ask for 2 or more"))
    ref = wish.graph.ref if wish.graph is not None else None
    call = candidate(session.model, wish.inputs, wish.source, ref)
    return noise(call, session.model, wish.samples, session.seed)


def _overflown(observed: Observed) -> bool:
    """True where gradients are not finite although all that ran forward is."""
    seen = observed.observer
    forward = all(bool(r.maximum.isfinite().all()) for r in seen.activations)
    gradients = [n for k in seen.kernels.values() for n in k.norms]
    gradients += [g for r in seen.activations for g in r.gradients]
    return forward and not all(bool(g.isfinite().all()) for g in gradients)


def _check(session: Session, observed: Observed) -> None:
    """Refuses what cannot be judged: nothing seen, or a loss that is not finite by itself."""
    if not observed.observer.activations:
        unseen = observed.observer.not_observable
        parts = "; ".join(f"{u.layer}: {u.reason}" for u in unseen)
        raise ProbeError(
            Mistake(
                "no activation was seen while the model ran" + (f" ({parts})" if parts else ""),
                hint="the probe measures what enters and leaves activations",
            )
        )
    finite = all(
        bool(r.maximum.isfinite().all() and r.minimum.isfinite().all())
        for r in observed.observer.activations
    )
    if finite and not all(map(math.isfinite, observed.losses)):
        where = "the loss" if observed.outputs_finite else "the model's output"
        raise ProbeError(
            Mistake(
                f"{where} is not finite although everything that enters an activation is",
                hint=f"the loss is {observed.objective}; check it and the targets",
            )
        )
