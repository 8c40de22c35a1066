"""Copies of a forward's arguments with other tensors in the place of theirs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

Replace = Callable[[torch.Tensor], torch.Tensor]


def with_tensors(value: Any, replace: Replace) -> Any:
    """``value`` with ``replace(tensor)`` for each tensor, also of objects (a batch of graphs)."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return replace(leaf)
        if not hasattr(leaf, "__dict__") or isinstance(leaf, nn.Module):
            return leaf
        try:
            with _Replacing(replace):
                return copy.deepcopy(leaf)
        except Exception:  # what cannot be copied is handed on
            return leaf

    return pytree.tree_map(one, value)


class _Replacing(TorchFunctionMode):
    """While an object is copied, puts other tensors in the place of those it holds."""

    def __init__(self, replace: Replace) -> None:
        super().__init__()
        self.replace = replace

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The replacement for the copy of a tensor; all else as it is."""
        if func is not torch.Tensor.__deepcopy__:
            return func(*args, **(kwargs or {}))
        tensor, known = args
        if id(tensor) not in known:  # what stands in two places stays one
            known[id(tensor)] = self.replace(tensor)
        return known[id(tensor)]
