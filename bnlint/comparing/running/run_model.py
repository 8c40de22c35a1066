"""One forward of a model with given weights, inputs and mode, and all that it does."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.comparing.running.double_precision import InDouble, OrderFree, default_dtype
from bnlint.comparing.running.tape import Tape
from bnlint.comparing.running.weights_by_name import Draw, fill, noise
from bnlint.layers.table import Table
from bnlint.loading.sites import Locator
from bnlint.models.nested import mapped, tensors
from bnlint.tracing.forward.module_names import Registry

Call = tuple[list[Any], dict[str, Any]]
"""Positional and keyword arguments of a forward."""

TRAIN, EVAL = "train", "eval"


@dataclass(slots=True)
class ForwardRun:
    """What a forward returned and changed; ``shape`` is the structure of what it returned.

    ``drew`` is true if random numbers were drawn; ``gradients`` are by key, in short.
    """

    outputs: list[torch.Tensor]
    shape: str
    buffers: dict[str, torch.Tensor]
    tape: Tape
    drew: bool
    gradients: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bench:
    """A model that is run several times from the same state.

    ``names`` are those of its states by key, under which their numbers are drawn; ``start`` holds
    the buffers that each run begins with.
    """

    model: nn.Module
    names: Mapping[str, str]
    start: Mapping[str, torch.Tensor]
    dtype: torch.dtype
    table: Table
    locator: Locator

    def run(
        self, call: Call, draw: Draw, mode: str, *, order_free: bool = False, train: bool = False
    ) -> ForwardRun:
        """The model's forward; with ``train``, the gradients of its parameters, too.

        Raises what the user's code raises.
        """
        self._reset(draw, mode)
        tape = Tape(Registry(self.model), self.table, self.locator)
        extra = [InDouble()] if self.dtype == torch.float64 else []
        free = [OrderFree()] if order_free else []
        args, kwargs = _cloned(call, self.dtype)
        _seed()
        before = torch.get_rng_state()
        with default_dtype(self.dtype), torch.set_grad_enabled(train):
            with tape.watched.by(tape, *free, *extra):
                result = self.model(*args, **kwargs)
            tape.finish(result)
            drew = not torch.equal(before, torch.get_rng_state())
            found = [t.detach().clone() for t in tensors(result)]
            gradients = self._gradients(tensors(result)) if train else {}
        buffers = {key: b.detach().clone() for key, b in self.model.named_buffers()}
        return ForwardRun(found, structure(result), buffers, tape, drew, gradients)

    def _reset(self, draw: Draw, mode: str) -> None:
        with torch.no_grad():
            for key, buffer in self.model.named_buffers():
                kept = self.start.get(key)
                if kept is not None and kept.shape == buffer.shape:
                    buffer.copy_(kept)
        fill(self.model, self.names, draw)
        self.model.train(mode == TRAIN)

    def _gradients(self, outputs: Iterable[torch.Tensor]) -> dict[str, tuple[float, float]]:
        """A sum and a norm of the gradient of each parameter."""
        known = [t for t in outputs if t.requires_grad and t.is_floating_point()]
        parameters = {k: p for k, p in self.model.named_parameters() if p.requires_grad}
        if not known or not parameters:
            return {}
        loss = sum(
            (t * noise(f"gradient {n}", tuple(t.shape)).to(t.dtype)).sum()
            for n, t in enumerate(known)
        )
        assert isinstance(loss, torch.Tensor)
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        return {
            key: (0.0, 0.0) if g is None else _short(g)
            for key, g in zip(parameters, found, strict=True)
        }


def _short(gradient: torch.Tensor) -> tuple[float, float]:
    plain = gradient.detach()
    plain = plain.to_dense() if plain.is_sparse else plain
    plain = plain.double()
    weights = noise("gradient", tuple(plain.shape))
    return float((plain * weights).sum()), float(plain.norm())


def structure(value: Any) -> str:
    """What a forward returns, without its numbers: lists and tuples are the same."""
    if isinstance(value, torch.Tensor):
        return "tensor"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {structure(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(structure, value)) + ")"
    return type(value).__name__


def _cloned(call: Call, dtype: torch.dtype) -> Call:
    def one(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(dtype).clone() if tensor.is_floating_point() else tensor.clone()

    args, kwargs = mapped(call[0], one), mapped(call[1], one)
    return list(args), dict(kwargs)


def _seed() -> None:
    random.seed(0)
    torch.manual_seed(0)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(0)
