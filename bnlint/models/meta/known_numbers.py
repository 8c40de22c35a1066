"""The numbers of a tensor on meta: a small tensor on the CPU that is kept as its attribute."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from bnlint.models.nested import mapped, tensors

LIMIT = 1 << 16
"""Elements up to which a tensor keeps its numbers."""

_NUMBERS, _TWIN = "_bnlint_numbers", "_bnlint_twin"

_SIGNS = re.compile(
    r"\bmeta\b|register_meta|no data|data is not allocated|format string passed to Tensor", re.I
)


def wants_numbers(error: BaseException) -> bool:
    """True for an error that an operation raises on meta because it needs the numbers."""
    return bool(_SIGNS.search(str(error)))


def numbers_of(tensor: Tensor) -> Tensor | None:
    """The numbers of a tensor on meta, or of its twin there; None if they are not known."""
    if not tensor.is_meta:
        twin = vars(tensor).get(_TWIN)
        return tensor if twin is None else numbers_of(twin)
    numbers: Tensor | None = vars(tensor).get(_NUMBERS)
    if numbers is None or (numbers.numel() and not numbers.untyped_storage().nbytes()):
        return None
    return numbers


def keep_numbers(value: Any, numbers: Any) -> None:
    """Let each tensor in ``value`` keep the one that has its place in ``numbers``."""
    for tensor, known in zip(tensors(value), tensors(numbers), strict=False):
        if tensor.is_meta and tensor.shape == known.shape and known.numel() <= LIMIT:
            vars(tensor)[_NUMBERS] = known


def forget_numbers(tensor: Tensor) -> None:
    """Forget the numbers of a tensor that was overwritten, and those of all views of it.

    Their common memory is freed, which tells each of them.
    """
    numbers = numbers_of(tensor)
    if numbers is not None and numbers is not tensor:
        numbers.untyped_storage().resize_(0)


def hollow(value: Any) -> Any:
    """``value`` with a twin on meta for each tensor elsewhere; a small twin knows the numbers."""
    return mapped(value, _twin)


def _twin(tensor: Tensor) -> Tensor:
    if tensor.is_meta:
        return tensor
    twin: Tensor | None = vars(tensor).get(_TWIN)
    if twin is None:
        try:
            twin = torch.empty_like(tensor, device="meta", requires_grad=False)
        except (RuntimeError, NotImplementedError):  # a layout that meta does not know
            return tensor
        if tensor.numel() <= LIMIT:
            keep_numbers(twin, tensor.detach().clone())
        vars(tensor)[_TWIN] = twin
    return twin


def made_up(tensor: Tensor) -> Tensor:
    """Numbers for a tensor whose own are not known."""
    if tensor.is_floating_point() or tensor.is_complex():
        return torch.randn(tensor.shape, dtype=tensor.dtype, device="cpu")
    return torch.ones(tensor.shape, dtype=tensor.dtype, device="cpu")
