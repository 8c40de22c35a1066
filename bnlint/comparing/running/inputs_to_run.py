"""Inputs with numbers, for models that are run: given ones, those of a trace, guessed ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from bnlint.comparing.running.run_model import Call
from bnlint.comparing.running.weights_by_name import noise
from bnlint.domain.graph import Shape
from bnlint.domain.request import InputSpec
from bnlint.models.guessing.guess import Guess
from bnlint.models.nested import mapped, tensors

_LONGER: Sequence[Mapping[int, tuple[int, ...]]] = (
    {3: (2,), 4: (2, 3), 5: (3, 4)},
    {2: (1,), 3: (1,), 4: (1, 2)},
)
"""Dimensions by rank that may be of any size: channels first, then channels last and tokens."""

_MORE = 5

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


def resized(call: Call) -> Iterator[Call]:
    """The call with larger maps, or longer sequences: whichever the model's layers allow.

    A window of another size may give the same mean where both sizes divide the input.
    """
    for choice in _LONGER:
        grown = partial(_grown, choice=choice)
        args, kwargs = mapped(call[0], grown), mapped(call[1], grown)
        if _shapes((args, kwargs)) != _shapes(call):
            yield list(args), dict(kwargs)


def _grown(tensor: torch.Tensor, choice: Mapping[int, tuple[int, ...]]) -> torch.Tensor:
    for dim in choice.get(tensor.ndim, ()):
        last = tensor.narrow(dim, 0, min(_MORE, tensor.shape[dim]))
        tensor = torch.cat((tensor, last), dim)
    return tensor


def _shapes(call: Any) -> list[Shape]:
    return [tuple(t.shape) for t in tensors(call)]


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
