"""What a rule may be sure of: torch's own forward, tensors without surprises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy


def is_plain_tensor(value: Any) -> bool:
    """True for a floating or integer tensor on meta that is no subclass of its own."""
    return type(value) in (torch.Tensor, nn.Parameter) and value.is_meta and not is_lazy(value)


def is_plain_module(module: nn.Module) -> bool:
    """True for a layer that runs torch's own forward, without hooks or missing parameters."""
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        return False
    home: str = type(module).forward.__module__
    if not home.startswith("torch.nn.modules."):
        return False
    return not any(p is not None and is_lazy(p) for p in module._parameters.values())


def like(x: torch.Tensor, shape: Iterable[int]) -> torch.Tensor:
    """A new empty tensor of a shape and of the same type.

    It is contiguous: views of it that code takes later must not fail for strides that only the
    real operation would know.
    """
    return torch.empty(tuple(shape), dtype=x.dtype, device="meta")


def several(value: Any, count: int) -> tuple[int, ...] | None:
    """A size given once or for every axis, for ``count`` axes; None for anything else."""
    if isinstance(value, int):
        return (value,) * count
    if isinstance(value, (tuple, list)) and all(isinstance(v, int) for v in value):
        return tuple(value) * count if len(value) == 1 else tuple(value)
    return None
