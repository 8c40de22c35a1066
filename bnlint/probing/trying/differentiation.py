"""One forward and backward through all outputs: what learns, what is read, what moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.domain.errors import is_out_of_memory
from bnlint.domain.trials import CallSite
from bnlint.models.nested import mapped, tensors
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.placing import eager
from bnlint.probing.session import Session
from bnlint.probing.trying.experiments import run
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction, kind_of

CLOSED = 1e-2
"""A scale at or below this lets next to nothing through."""

SAMPLES = 64
"""Samples in this pass: enough for a gradient that is zero in all of them to mean something."""


@dataclass(slots=True)
class Differentiated:
    """What the pass found; ``unread`` is a share for each floating-point input, in their order."""

    outputs: Any
    cut: tuple[CallSite, ...] = ()
    silent: tuple[CallSite, ...] = ()
    trainable: int = 0
    twice: tuple[CallSite, ...] = ()
    moving: tuple[CallSite, ...] = ()
    unread: tuple[float | None, ...] = ()
    reached: tuple[float, float] | None = None
    convolved: bool = False
    own: bool = False


def differentiated(session: Session, batch: Batch) -> Differentiated:
    """Runs a part of the batch, and differentiates a random projection of all that comes out."""
    batch = batch.part(slice(min(batch.samples, SAMPLES))).on(session.device)
    leaves: list[Tensor] = []
    called = Batch(mapped(batch.args, partial(_leaf, leaves)),
                   mapped(dict(batch.kwargs), partial(_leaf, leaves)))  # fmt: skip
    first = FirstKernel()
    norms = list(_counting(session.model))
    means = [m.running_mean.clone() for _, m in norms]
    session.reseed()
    with eager(), session.watched.by(first), torch.enable_grad():
        outputs = session.forward(called)
    counts = [_count(m) for _, m in norms]
    found = Differentiated(outputs, reached=first.reached, convolved=first.convolved)
    found.own = first.own(leaves)
    found.moving = tuple(
        CallSite(path) for (path, m), mean in zip(norms, means, strict=True) if _moves(m, mean)
    )
    _differentiate(session, leaves, found)
    after = zip(norms, counts, strict=True)
    found.twice = tuple(CallSite(path) for (path, m), count in after if _count(m) > count)
    return found


def _leaf(leaves: list[Tensor], value: Tensor) -> Tensor:
    """A copy that a forward may overwrite, whose gradient reaches the leaf."""
    if not value.is_floating_point():
        return value
    leaves.append(value.detach().clone().requires_grad_())
    return leaves[-1].clone()


def _differentiate(session: Session, leaves: list[Tensor], found: Differentiated) -> None:
    floats = [t for t in tensors(found.outputs) if t.is_floating_point() and t.requires_grad]
    named = [(n, p) for n, p in session.model.named_parameters() if p.requires_grad]
    found.trainable = len(named)
    if not floats:
        found.cut = tuple(_spot(name) for name, _ in named)
        return
    generator = torch.Generator().manual_seed(session.seed)
    drawn = [torch.randn(t.shape, generator=generator).to(t.device) for t in floats]
    # Of a scalar: given the gradients of tensors, torch imports sympy, which takes half a second.
    home = floats[0].device
    parts = [(t.float() * d).sum().to(home) for t, d in zip(floats, drawn, strict=True)]
    wanted = [p for _, p in named] + leaves
    try:
        got = torch.autograd.grad(torch.stack(parts).sum(), wanted, allow_unused=True)
    except Exception as error:  # of the user's own functions: the observation has said so
        if is_out_of_memory(error):
            raise
        return
    pairs = list(zip(named, got, strict=False))
    found.cut = tuple(_spot(name) for (name, _), g in pairs if g is None)
    zero = [(name, g) for (name, p), g in pairs if g is not None and p.numel()]
    flags = [~g.bool().any() if g.layout is torch.strided else torch.tensor(False) for _, g in zero]
    found.silent = tuple(_spot(n) for (n, _), flag in zip(zero, flags, strict=True) if bool(flag))
    found.unread = tuple(_unread(g, found.convolved) for g in got[len(named) :])


def _spot(name: str) -> CallSite:
    layer, _, parameter = name.rpartition(".")
    return CallSite(layer, parameter)


def _unread(gradient: Tensor | None, convolved: bool) -> float | None:
    """The share of features whose gradient is exactly zero in every sample and place.

    None if all of it is zero: then a layer is dead or starts at zero, which other metrics judge.
    """
    if gradient is None:
        return 1.0
    if gradient.ndim < 2 or not bool(gradient.isfinite().all()):
        return None
    axis = 1 if convolved or gradient.ndim > 3 else gradient.ndim - 1
    rest = tuple(d for d in range(gradient.ndim) if d != axis)
    unread = (gradient.abs().amax(rest) == 0).float()
    return None if bool(unread.all()) else float(unread.mean())


def _counting(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """The norms with running statistics, by path."""
    for path, module in model.named_modules():
        if isinstance(getattr(module, "running_mean", None), Tensor):
            yield path, module


def _count(module: Any) -> int:
    count = getattr(module, "num_batches_tracked", None)
    return int(count) if isinstance(count, Tensor) else 0


def _moves(module: Any, before: Tensor) -> bool:
    """True for a norm with frozen weights whose statistics this forward updated."""
    weight = getattr(module, "weight", None)
    frozen = isinstance(weight, Tensor) and not weight.requires_grad
    return frozen and not torch.equal(module.running_mean, before)


class FirstKernel(Subscriber):
    """Mean and deviation of what enters the first conv/linear layer, and whether it is a conv."""

    def __init__(self) -> None:
        self.reached: tuple[float, float] | None = None
        self.convolved = False
        self._input: Tensor | None = None

    def own(self, leaves: list[Tensor]) -> bool:
        """True where the first layer reads an input as it came, in its own shape."""
        found = self._input
        return found is not None and any(found.shape == leaf.shape for leaf in leaves)

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function, noticed if it is a conv/linear layer."""
        kind = function.kind
        if kind is None or "kernel" not in kind.tags:
            return run
        return partial(self._kernel, "conv" in kind.tags, run)

    def _kernel(self, conv: bool, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        x: Any = args[0] if args else kwargs.get("input")
        if self.reached is None and isinstance(x, Tensor) and x.is_floating_point():
            values = x.detach().float()
            self.reached = float(values.mean()), float(values.std(correction=0))
            self.convolved, self._input = conv, x.detach()
        return run(*args, **kwargs)


def starts_closed(session: Session) -> bool:
    """Whether branches start closed: scales of zero or nearly so, as LayerScale and ReZero have."""
    for module in session.model.modules():
        kind = kind_of(module, session.table)
        if kind is not None and not kind.tags.isdisjoint(("kernel", "norm", "embedding")):
            continue
        for value in module.parameters(recurse=False):
            flat = value.detach().reshape(-1)
            constant = value.ndim <= 1 and flat.numel() and bool((flat == flat[0]).all())
            if constant and abs(float(flat[0])) <= CLOSED:
                return True
    return False


@torch.no_grad()
def unread_indices(session: Session, batch: Batch) -> tuple[float | None, ...]:
    """For each integer input the share of its columns that may be exchanged without effect.

    Halves are tried, the first and the second, by handing each sample those of the next.
    """
    batch = batch.part(slice(min(batch.samples, SAMPLES)))
    plain = list(tensors(run(session, batch, ())))
    found: list[float | None] = []
    for number, given in enumerate(tensors((batch.args, dict(batch.kwargs)))):
        if given.is_floating_point() or given.dtype is torch.bool:
            continue
        if given.ndim != 2 or given.shape[0] != batch.samples or given.shape[1] < 2:
            found.append(None)
            continue
        middle = given.shape[1] // 2
        halves = (slice(middle), slice(middle, None))
        found.append(sum(_same(session, batch, number, h, plain) for h in halves) / 2)
    return tuple(found)


def _same(session: Session, batch: Batch, number: int, columns: slice, plain: list[Tensor]) -> bool:
    count = iter(range(1 << 20))

    def rolled(value: Tensor) -> Tensor:
        if next(count) != number:
            return value
        other = value.clone()
        other[:, columns] = other[:, columns].roll(1, 0)
        return other

    args, kwargs = mapped(batch.args, rolled), mapped(dict(batch.kwargs), rolled)
    other = list(tensors(run(session, Batch(args, kwargs), ())))
    return len(other) == len(plain) and all(map(torch.equal, other, plain))


def frozen_end(session: Session) -> CallSite | None:
    """The output layer where it is frozen while layers before it train."""
    layers = [
        (path, m)
        for path, m in session.model.named_modules()
        if (kind := kind_of(m, session.table)) is not None and "kernel" in kind.tags
    ]
    flags = [any(p.requires_grad for p in m.parameters(recurse=False)) for _, m in layers]
    return CallSite(layers[-1][0]) if len(flags) > 1 and any(flags) and not flags[-1] else None
