"""Inputs with numbers, for models that are run: given ones, those of a trace, guessed ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from bnlint.comparing.running.run_model import Call
from bnlint.comparing.running.weights_by_name import noise
from bnlint.domain.graph import Shape
from bnlint.domain.request import InputSpec
from bnlint.models.guessing.guess import Guess
from bnlint.models.nested import mapped

_GUESSES = 8
"""Guessed inputs that are tried."""


def calls_of(
    model: nn.Module, specs: Sequence[tuple[InputSpec, ...]], guesses: Sequence[Guess]
) -> Iterator[Call]:
    """Inputs with numbers: those the models were traced with, then what else may fit."""
    high = min(
        (m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)), default=2
    )
    for each in filter(None, dict.fromkeys(specs)):
        tensors = [(s.name, _numbers(n, s.shape, s.dtype, high)) for n, s in enumerate(each)]
        yield [t for name, t in tensors if not name], {name: t for name, t in tensors if name}
    for guess in guesses[:_GUESSES]:
        number = iter(range(1 << 30))

        def real(tensor: torch.Tensor, number: Iterator[int] = number) -> torch.Tensor:
            kind = str(tensor.dtype).removeprefix("torch.")
            return _numbers(next(number), tuple(tensor.shape), kind, high)

        yield list(mapped(tuple(guess.args), real)), dict(mapped(dict(guess.kwargs), real))


def _numbers(number: int, shape: Shape, dtype: str, high: int) -> torch.Tensor:
    values = noise(f"input {number}", shape)
    kind = getattr(torch, dtype)
    if kind.is_floating_point or kind.is_complex:
        return values.to(kind)
    if kind == torch.bool:
        return values > 0
    return (values.abs() * 1000).long().remainder(max(high, 1)).to(kind)


def multiplied(call: Call, times: int) -> Call:
    """The call with a batch of several times the size, of other numbers."""

    def one(tensor: torch.Tensor) -> torch.Tensor:
        if times == 1 or not tensor.ndim:
            return tensor
        more = [tensor.roll(n + 1) if tensor.is_floating_point() else tensor for n in range(times)]
        more = [
            m * (1 + 0.3 * n) if m.is_floating_point() else m.roll(n) for n, m in enumerate(more)
        ]
        return torch.cat(more)

    args, kwargs = mapped(call[0], one), mapped(call[1], one)
    return args, kwargs
