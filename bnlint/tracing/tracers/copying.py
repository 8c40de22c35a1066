"""Copies of a forward's arguments with other tensors in the place of theirs."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

Replace = Callable[[torch.Tensor], torch.Tensor]


def with_tensors(value: Any, replace: Replace) -> Any:
    """``value`` with ``replace(tensor)`` for each tensor, also in objects (a batch of graphs)."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return replace(leaf)
        if not hasattr(leaf, "__dict__") or isinstance(leaf, nn.Module):
            return leaf
        try:
            with _copies(replace):
                return copy.deepcopy(leaf)
        except Exception:  # what cannot be copied is passed as it is
            return leaf

    return pytree.tree_map(one, value)


@contextlib.contextmanager
def _copies(replace: Replace) -> Iterator[None]:
    """Let the deep copy of a tensor be ``replace`` of it."""
    kind: Any = torch.Tensor
    plain = kind.__deepcopy__

    def copied(tensor: torch.Tensor, known: dict[int, Any]) -> Any:
        if id(tensor) not in known:  # a tensor that is held twice stays one
            known[id(tensor)] = replace(tensor)
        return known[id(tensor)]

    kind.__deepcopy__ = copied
    try:
        yield
    finally:
        kind.__deepcopy__ = plain
