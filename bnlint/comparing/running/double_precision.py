"""Subscribers of a watched forward that make two versions of a model comparable."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bnlint.models.nested import tensors
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction

_NARROWER = (torch.float32, torch.float16, torch.bfloat16)
_CASTS: dict[Any, Any] = {
    torch.Tensor.float: torch.Tensor.double,
    torch.Tensor.half: torch.Tensor.double,
    torch.Tensor.bfloat16: torch.Tensor.double,
}
_DRAWING = (
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"),
    *("feature_dropout", "rand", "randn", "randint", "rand_like", "randn_like", "randint_like"),
    *("randperm", "bernoulli", "bernoulli_", "normal", "normal_", "uniform_", "exponential_"),
    *("multinomial", "poisson", "rrelu", "gumbel_softmax", "log_normal_", "geometric_", "cauchy_"),
)


class InDouble(Subscriber):
    """Casts to narrower floating-point types become casts to double precision."""

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function with types that are wide enough."""
        plain = _CASTS.get(function.func) if _is_key(function.func) else None
        chosen = run if plain is None else plain

        def widened(*args: Any, **kwargs: Any) -> Any:
            return chosen(*map(_wide, args), **{k: _wide(v) for k, v in kwargs.items()})

        return widened


class OrderFree(Subscriber):
    """Random numbers that depend on how many are drawn, not on what was drawn before."""

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """A function that draws, after the seed for its first tensor or size."""
        if function.name not in _DRAWING:
            return run

        def seeded(*args: Any, **kwargs: Any) -> Any:
            first = next(tensors((args, kwargs)), None)
            count = first.numel() if first is not None else str(args)
            torch.manual_seed(zlib.crc32(f"{count}".encode()))
            return run(*args, **kwargs)

        return seeded


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Tensors that the code makes have this type inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _wide(value: Any) -> Any:
    return torch.float64 if isinstance(value, torch.dtype) and value in _NARROWER else value


def _is_key(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
