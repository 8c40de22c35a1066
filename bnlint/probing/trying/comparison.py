"""What norms change: the same weights, batch and seed without norms, before, after, and as written.

The live forward is changed rather than a traced graph edited: calls are replaced as they run. That
needs no trace, so it works for every model that runs, keeps the very same weights, and nothing has
to be restored.
"""

from __future__ import annotations

import math
from collections.abc import Collection, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.weak import WeakIdKeyDictionary

from bnlint.domain.errors import ProbeError
from bnlint.domain.probe import AS_WRITTEN, Comparison, Curve, Variant
from bnlint.layers.of_calls import arguments_of
from bnlint.layers.table import having
from bnlint.models.nested import tensors
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.placing import eager
from bnlint.probing.observation import Observed, observe
from bnlint.probing.observing.measure import Layouts
from bnlint.probing.observing.summarise import activation_rows, kernel_rows
from bnlint.probing.session import Session
from bnlint.probing.trying.steps_shown import advance, expect
from bnlint.probing.untouched import kept
from bnlint.tracing.forward import Key, Runnable, Subscriber, TorchFunction, WatchedForward

PLACEMENTS = ("none", "before", "after")
"""The positions of norms in a variant: nowhere, before or after each activation fed by a kernel."""

CARRIES = having("within", "feeding")
"""Operations through which a kernel still feeds what follows."""

RATES = (0.02, 0.1, 0.3)
"""The rates of plain gradient descent at which each variant trains."""

SIGNED, CLEAR = 0.01, 0.05
"""Steps by the gradient's sign, as Adam's first are, where no loss fell by this share: recurrent
layers and attention hardly move in so few steps of plain descent."""


@dataclass(frozen=True, slots=True)
class Descent:
    """How weights are changed: by the gradient times the rate, or by the rate against its sign."""

    rate: float
    signed: bool = False


DESCENTS = tuple(map(Descent, RATES))


def compared(session: Session, batch: Batch, seen: Observed, steps: int) -> Comparison:
    """Every variant, measured and trained for ``steps`` steps; weights are restored each time.

    ``seen`` is the observation of the model as written.
    """
    spared = {r.key for r in seen.observer.activations if r.at_output or r.is_gate}
    arrangements = len(PLACEMENTS) + bool(seen.observer.norms)
    expect(arrangements * len(RATES) * (steps + 1))
    variants = [_variant(session, batch, p, spared, steps) for p in PLACEMENTS]
    if seen.observer.norms:
        variants.append(_as_written(session, batch, seen, steps))
    else:
        variants.append(replace(variants[0], name=AS_WRITTEN))
    found = Comparison(tuple(variants), steps, batch.samples, seen.objective, session.seed)
    curves = [curve for variant in variants for curve in variant.curves]
    if not curves or any(_falls(curve) for curve in curves):
        return found
    signed = _curves(session, batch, [], steps, (Descent(SIGNED, signed=True),))
    return replace(found, signed=signed[0] if signed else None)


def _falls(curve: Curve) -> bool:
    """Whether the loss fell by more than it may by chance."""
    start, best = curve.losses[0], min(filter(math.isfinite, curve.losses), default=math.inf)
    return math.isfinite(start) and start - best > CLEAR * abs(start)


def _variant(
    session: Session, batch: Batch, placement: str, spared: Collection[Key], steps: int
) -> Variant:
    arrangement = Rearranged(session.watched, placement, spared, batch.samples)
    learned = arrangement.learned
    try:
        session.reseed()
        with session.changed_by(arrangement):
            observed = observe(session, [batch])
            curves = _curves(session, batch, [p for pair in learned.values() for p in pair], steps)
    except ProbeError as error:
        return Variant(placement, len(learned), (), (), (), error.mistakes[0].message)
    return _summary(placement, len(learned), observed, curves)


def _as_written(session: Session, batch: Batch, seen: Observed, steps: int) -> Variant:
    found = _summary(AS_WRITTEN, len({r.key for r in seen.observer.norms}), seen, ())
    try:
        return replace(found, curves=_curves(session, batch, [], steps))
    except ProbeError as error:
        return replace(found, error=error.mistakes[0].message)


def _summary(name: str, norms: int, observed: Observed, curves: tuple[Curve, ...]) -> Variant:
    seen = observed.observer
    return Variant(name, norms, activation_rows(seen), kernel_rows(seen), curves)


def _curves(
    session: Session,
    batch: Batch,
    learned: list[nn.Parameter],
    steps: int,
    descents: Sequence[Descent] = DESCENTS,
) -> tuple[Curve, ...]:
    trained = [p for p in session.model.parameters() if p.requires_grad] + learned
    if not trained or steps < 1:
        return ()
    states: list[Tensor] = [*trained, *session.model.buffers()]
    start = [s.detach().clone() for s in states]
    batch = batch.on(session.device)
    curves = []
    for descent in descents:
        try:
            losses = _descend(session, batch, trained, descent, steps)
            curves.append(Curve(descent.rate, losses))
        finally:
            with torch.no_grad():
                for state, value in zip(states, start, strict=True):
                    state.copy_(value)
    return tuple(curves)


def _descend(
    session: Session, batch: Batch, trained: Sequence[nn.Parameter], how: Descent, steps: int
) -> tuple[float, ...]:
    session.reseed()
    losses = []
    with eager():
        for step in range(steps + 1):
            with kept(session.watched, batch.parts):
                loss = session.loss(batch)
                losses.append(loss.detach())
                advance("comparing")
                if step == steps or not loss.requires_grad:
                    break
                gradients = torch.autograd.grad(loss, trained, allow_unused=True)
            with torch.no_grad():
                for parameter, gradient in zip(trained, gradients, strict=True):
                    if gradient is not None:
                        along = gradient.sign() if how.signed else gradient
                        parameter.sub_(along, alpha=how.rate)
    return tuple(torch.stack(losses).float().cpu().tolist())


class Rearranged(Subscriber):
    """Lets the model's own norms pass everything through, and puts others elsewhere.

    ``spared`` are activations that get no norm: outputs and gates. ``learned`` holds scale and
    shift of each norm that was added.
    """

    def __init__(
        self, watched: WatchedForward, placement: str, spared: Collection[Key], samples: int
    ) -> None:
        self.watched = watched
        self.placement = placement
        self.spared = frozenset(spared)
        self.samples = samples
        self.learned: dict[Key, tuple[nn.Parameter, nn.Parameter]] = {}
        self._layouts = Layouts()
        self._fed: MutableMapping[Tensor, bool] = WeakIdKeyDictionary()

    def begins(self) -> None:
        """Forgets the tensors of the previous forward."""
        self._fed.clear()

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function as this arrangement runs it."""
        kind = function.kind
        if kind is None:
            return run
        if "activation" in kind.tags:
            return partial(self._activation, run)
        if "norm" in kind.tags:
            return partial(self._norm, function.name, run)
        if "kernel" in kind.tags:
            return partial(self._kernel, kind.name, run)
        return partial(self._carried, run) if kind.tags & CARRIES else run

    def _kernel(self, kind: str, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        out = run(*args, **kwargs)
        if isinstance(out, Tensor):
            self._layouts.note(out.shape, kind)
            self._fed[out] = True
        return out

    def _carried(self, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        out = run(*args, **kwargs)
        if any(t in self._fed for t in tensors((args, kwargs))):
            self._fed.update(dict.fromkeys(tensors(out), True))
        return out

    def _norm(self, name: str, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        """The input itself if it is data: a norm of weights belongs to the kernel."""
        x = arguments_of(name, args, kwargs).get("input")
        if not isinstance(x, Tensor) or (x.shape[0] != self.samples and x.shape[0] == 1):
            return run(*args, **kwargs)
        return x

    def _activation(self, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        x: Any = args[0] if args else kwargs.get("input")
        key = self.watched.now
        fed = isinstance(x, Tensor) and x in self._fed
        if not fed or key in self.spared or self.placement == "none":
            return run(*args, **kwargs)
        if self.placement == "after":
            out = run(*args, **kwargs)
            return self._normed(key, out) if isinstance(out, Tensor) else out
        if args:
            return run(self._normed(key, x), *args[1:], **kwargs)
        return run(**{**kwargs, "input": self._normed(key, x)})

    def _normed(self, key: Key, x: Tensor) -> Tensor:
        axis = self._layouts.axis(x.shape) if x.ndim > 1 else 0
        if key not in self.learned:
            ones = torch.ones(x.shape[axis], device=x.device)
            self.learned[key] = nn.Parameter(ones), nn.Parameter(torch.zeros_like(ones))
        weight, bias = self.learned[key]
        moved = x.movedim(axis, 1) if x.ndim > 1 else x.unsqueeze(1)
        out = functional.batch_norm(moved, None, None, weight, bias, True)
        return out.movedim(1, axis) if x.ndim > 1 else out.squeeze(1)
