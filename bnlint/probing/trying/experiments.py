"""Small extra runs: train against eval, other samples in the batch, another bias."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.domain.probe import TrainEvalGap
from bnlint.domain.probe_rows import call_name
from bnlint.models.nested import mapped, tensors
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.placing import eager
from bnlint.probing.session import Session
from bnlint.probing.untouched import kept, memory, seed
from bnlint.tracing.forward import (
    Key,
    Runnable,
    Subscriber,
    TorchFunction,
    WatchedForward,
    kind_of,
)


@contextmanager
def in_train_mode(model: nn.Module, chosen: Container[int]) -> Iterator[None]:
    """Puts the modules with these ids into train mode, all others into eval mode, for a while."""
    before = [(m, m.training) for m in model.modules()]
    try:
        for module, _ in before:
            module.training = id(module) in chosen
        yield
    finally:
        for module, training in before:
            module.training = training


def _norms(session: Session) -> frozenset[int]:
    """The batch norms that are in train mode now: the rest (dropout) is switched off."""
    kinds = ((m, kind_of(m, session.table)) for m in session.model.modules() if m.training)
    return frozenset(id(m) for m, kind in kinds if kind is not None and "batchnorm" in kind.tags)


@torch.no_grad()
def train_eval_gap(session: Session, batch: Batch) -> TrainEvalGap | None:
    """How outputs and loss differ between train and eval mode; None without a train-mode norm."""
    norms = _norms(session)
    if not norms:
        return None
    eval_ = run(session, batch, ())  # first: the other run moves the statistics
    train = run(session, batch, norms)
    losses = [float(session.objective(o, batch.targets)[0]) for o in (train, eval_)]
    change = _change(flat(train, batch.samples), flat(eval_, batch.samples))
    if change is None:
        return None
    return TrainEvalGap(change, abs(losses[1] - losses[0]) / max(abs(losses[0]), 1e-12))


@torch.no_grad()
def batch_noise(session: Session, pool: Batch, size: int) -> float | None:
    """How far outputs change if the samples of ``pool`` are in other batches of ``size``."""
    norms = _norms(session)
    count = pool.samples // size
    if count < 2 or size < 2 or not norms:
        return None
    total = count * size
    generator = torch.Generator().manual_seed(session.seed)
    order = torch.randperm(total, generator=generator)
    outputs = []
    for index in (torch.arange(total), order):
        parts = map(pool.part, index.chunk(count))
        rows = torch.cat([flat(run(session, p, norms), size) for p in parts])
        outputs.append(rows[index.argsort().to(rows.device)])
    return _change(*outputs)


def run(session: Session, batch: Batch, training: Container[int], number: int | None = None) -> Any:
    """The outputs with these modules in train mode, and the generators at the seed ``number``."""
    seed(session.device, session.seed if number is None else number)
    batch = batch.on(session.device)
    inputs = {memory(t) for t in tensors(batch.parts)}

    def own(output: Tensor) -> Tensor:
        """Copies an output that is an overwritten input: the input is about to be restored."""
        return output.clone() if memory(output) in inputs else output

    with in_train_mode(session.model, training), eager(), kept(session.watched, batch.parts):
        return mapped(session.forward(batch), own)


def flat(outputs: Any, samples: int) -> Tensor:
    """The floating-point outputs as one matrix, a row a sample."""
    rows = [
        t.detach().float().reshape(samples, -1)
        for t in tensors(outputs)
        if t.is_floating_point() and t.ndim and t.shape[0] == samples
    ]
    return torch.cat(rows, 1) if rows else torch.zeros(samples, 1)


def _change(a: Tensor, b: Tensor) -> float | None:
    """rms(difference) over the spread between samples of ``a``.

    None where the outputs of all samples are one but for rounding: there is nothing to compare to.
    """
    spread = float((a - a.mean(0)).square().mean().sqrt())
    if spread <= 1e-5 * float(a.square().mean().sqrt()):
        return None
    return float((a - b).square().mean().sqrt()) / spread


class _OtherBias(Subscriber):
    """Adds noise to the bias of one kernel: at all calls of a module, at one call of a function."""

    def __init__(self, watched: WatchedForward, kernel: str) -> None:
        self.watched, self.wanted, self.met = watched, kernel, False

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function, with another bias where it is the wanted kernel."""
        kind = function.kind
        return partial(self._kernel, run) if kind and "kernel" in kind.tags else run

    def _kernel(self, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        bias = args[2] if len(args) > 2 else kwargs.get("bias")
        if not isinstance(bias, Tensor) or call_name(*self.watched.now) != self.wanted:
            return run(*args, **kwargs)
        self.met = True
        other = bias + torch.randn_like(bias)
        if len(args) > 2:
            return run(*args[:2], other, *args[3:], **kwargs)
        return run(*args, **{**kwargs, "bias": other})


@torch.no_grad()
def bias_effects(session: Session, batch: Batch, kernels: list[Key]) -> Mapping[str, float]:
    """How far the output moves in train mode when N(0, 1) is added to the bias of each kernel."""
    norms = _norms(session)
    plain = flat(run(session, batch, norms), batch.samples)
    found = {}
    for name in dict.fromkeys(call_name(*kernel) for kernel in kernels):
        bias = _OtherBias(session.watched, name)
        with session.changed_by(bias):
            other = flat(run(session, batch, norms), batch.samples)
        change = _change(plain, other)
        if bias.met and change is not None:
            found[name] = change
    return found
