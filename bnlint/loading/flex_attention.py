"""``flex_attention`` computed by its formula, which runs on any device and can be traced.

Masks and scores are functions of the numbers of a sample, a head, a query and a key. Torch calls
them for each number and wants a compiler; here they are called once, for all numbers together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from bnlint.loading.changes import change_on_import

_MaskFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class FunctionMask:
    """What ``create_block_mask`` returns: the function, which attention asks for all numbers."""

    mask_mod: _MaskFunction

    def to(self, *_: Any, **__: Any) -> FunctionMask:
        """The same mask, since it holds no tensors."""
        return self

    def __getitem__(self, _: Any) -> FunctionMask:
        return self


def attend_by_formula() -> None:
    """Let ``flex_attention`` be computed by its formula, from now on; for child processes."""
    change_on_import(_CHANGES)


def _change(module: Any) -> None:
    module.create_block_mask = create_block_mask
    module.flex_attention = flex_attention


def create_block_mask(mask_mod: _MaskFunction, *_: Any, **__: Any) -> FunctionMask:
    """The mask of a function, whatever the sizes, the device and the blocks are."""
    return FunctionMask(mask_mod)


def flex_attention(
    query: Any,
    key: Any,
    value: Any,
    score_mod: Callable[..., Any] | None = None,
    block_mask: Any = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    *_: Any,
    return_aux: Any = None,
    **__: Any,
) -> Any:
    """Attention as torch documents it; the logarithms of the sums, where asked for, are empty."""
    mask = getattr(block_mask, "mask_mod", None)
    numbers = _numbers(query, key) if mask is not None or score_mod is not None else ()
    allowed = mask(*numbers) if mask is not None else None
    if score_mod is None:
        found = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=allowed, scale=scale, enable_gqa=enable_gqa
        )
    else:
        found = _scored(query, key, value, score_mod, allowed, scale, numbers)
    if return_lse or return_aux is not None:
        return found, query.new_empty(query.shape[:-1])
    return found


def _scored(
    query: Any,
    key: Any,
    value: Any,
    score_mod: Callable[..., Any],
    allowed: Any,
    scale: float | None,
    numbers: tuple[Any, ...],
) -> Any:
    groups = query.shape[1] // key.shape[1]
    if groups != 1:
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = score_mod(query @ key.transpose(-2, -1) * scale, *numbers)
    if allowed is not None:
        scores = scores.masked_fill(torch.logical_not(allowed), float("-inf"))
    return scores.softmax(-1) @ value


def _numbers(query: Any, key: Any) -> tuple[Any, ...]:
    """The numbers of samples, heads, queries and keys, each on an axis of its own."""
    shape = (*query.shape[:3], key.shape[2])
    counted = [torch.arange(size, device=query.device) for size in shape]
    return tuple(
        x.view([-1 if axis == other else 1 for other in range(4)]) for axis, x in enumerate(counted)
    )


_CHANGES = {"torch.nn.attention.flex_attention": _change}
"""Where it is defined: it is changed when a file imports it."""
