"""Operations whose result has another size: convolutions, pools, attention, means over axes.

The formulas are those in the documentation of ``torch.nn``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bnlint.layers.shapes.shape_rules import (
    for_functions,
    for_layers,
    is_plain_tensor,
    like,
    several,
)
from bnlint.layers.table import axes_of

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd


@for_layers("_ConvNd")
def convolution(layer: _ConvNd, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a convolution, batched or not."""
    if _is_uneven(layer):
        return None
    _check(layer, x)
    padding, old = _padding(layer), x.shape[-len(layer.kernel_size) :]
    if padding is None or not x.is_floating_point():
        return None
    if layer.padding_mode != "zeros" and any(p >= s for p, s in zip(padding, old, strict=True)):
        return None  # such a padding repeats the map, and may be too large for it
    rows = zip(old, padding, layer.dilation, layer.kernel_size, layer.stride, strict=True)
    sizes = [
        (size + both - step * (kernel - 1) - 1) // stride + 1
        for size, both, step, kernel, stride in rows
    ]
    if any(size < 1 for size in sizes):
        raise RuntimeError(
            f"Calculated padded input size per channel is too small for the kernel size "
            f"{tuple(layer.kernel_size)}: the output would be {tuple(sizes)}"
        )
    return like(x, (*x.shape[: -len(sizes) - 1], layer.out_channels, *sizes))


def _padding(layer: _ConvNd) -> tuple[int, ...] | None:
    """The padding on both sides together, for each axis."""
    if layer.padding == "valid":
        return (0,) * len(layer.kernel_size)
    if layer.padding == "same":
        return tuple(d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    return None if isinstance(layer.padding, str) else tuple(2 * p for p in layer.padding)


@for_layers("_ConvTransposeNd")
def transposed(layer: _ConvTransposeNd, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a transposed convolution without an explicit output size."""
    if _is_uneven(layer):
        return None
    _check(layer, x)
    if isinstance(layer.padding, str) or not x.is_floating_point():
        return None
    old, window = x.shape[-len(layer.kernel_size) :], (layer.dilation, layer.kernel_size)
    rows = zip(old, layer.stride, layer.padding, *window, layer.output_padding, strict=True)
    sizes = [
        (size - 1) * stride - 2 * pad + step * (kernel - 1) + extra + 1
        for size, stride, pad, step, kernel, extra in rows
    ]
    if min(sizes) < 1:
        return None
    return like(x, (*x.shape[: -len(sizes) - 1], layer.out_channels, *sizes))


def _is_uneven(layer: _ConvNd) -> bool:
    """True for a window of other axes than the layer has: a Conv1d with ``kernel_size=(1, 3)``."""
    return len(layer.kernel_size) != len(layer.stride)


def _check(layer: _ConvNd, x: torch.Tensor) -> None:
    axes, name = len(layer.kernel_size), type(layer).__name__
    if x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to {name}, "
            f"but got input of size: {list(x.shape)}"
        )
    if x.shape[-axes - 1] != layer.in_channels:
        raise RuntimeError(
            f"Given groups={layer.groups}, weight of size {list(layer.weight.shape)}, expected "
            f"input{list(x.shape)} to have {layer.in_channels} channels, but got "
            f"{x.shape[-axes - 1]} channels instead"
        )


@for_layers("Linear")
def linear(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a linear layer."""
    if not x.is_floating_point() or not x.ndim:
        return None
    if x.shape[-1] != layer.in_features:
        rows = x.numel() // x.shape[-1] if x.shape[-1] else 0
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
            f"{layer.in_features}x{layer.out_features})"
        )
    return like(x, (*x.shape[:-1], layer.out_features))


@for_functions("scaled_dot_product_attention")
def attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, *args: Any, **kwargs: Any
) -> torch.Tensor | None:
    """The output of attention: for each query a row as wide as ``value``."""
    tensors = (query, key, value)
    if args[3:] or not all(map(is_plain_tensor, tensors)):
        return None
    alike = len({(t.dtype, t.ndim) for t in tensors}) == 1 and query.ndim > 2
    if not alike or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        return None
    if not (key.shape[:-2] == value.shape[:-2] == _heads(query, key, kwargs)):
        return None
    if attn_mask is not None and not _masks(attn_mask, (*query.shape[:-1], key.shape[-2])):
        return None
    return like(query, (*query.shape[:-1], value.shape[-1]))


def _heads(query: Any, key: Any, options: Mapping[str, Any]) -> tuple[int, ...]:
    """The axes before those of the rows that keys need to have: fewer heads where they are shared.

    Torch 2.4 does not know that.
    """
    import torch

    lead = tuple(query.shape[:-2])
    if options.get("enable_gqa") is not True or len(lead) < 2:
        return lead
    known = "enable_gqa" in (torch.nn.functional.scaled_dot_product_attention.__doc__ or "")
    few = key.shape[-3] if known else 0
    return (*lead[:-1], few) if few and lead[-1] % few == 0 else ()


def _masks(mask: Any, scores: tuple[int, ...]) -> bool:
    """True when a mask broadcasts to the scores of an attention."""
    if not is_plain_tensor(mask) or mask.ndim > len(scores):
        return False
    pairs = zip(reversed(mask.shape), reversed(scores), strict=False)
    return all(size in (1, wanted) for size, wanted in pairs)


@for_functions("grouped_mm", "_grouped_mm")
def grouped_product(mat_a: Any, mat_b: Any, *args: Any, **kwargs: Any) -> torch.Tensor | None:
    """The product of rows with one of several matrices, as in a mixture of experts.

    Only the kernels of some devices and types run it, so it is not left to the meta device.
    """
    if not (is_plain_tensor(mat_a) and is_plain_tensor(mat_b)) or kwargs.get("out_dtype"):
        return None
    fits = mat_a.dtype == mat_b.dtype and mat_a.shape[-1] == mat_b.shape[-2]
    stacked = mat_a.ndim == 2 or mat_a.shape[0] == mat_b.shape[0]
    if mat_a.ndim not in (2, 3) or mat_b.ndim != 3 or not fits or not stacked:
        return None
    return like(mat_a, (*mat_a.shape[:-1], mat_b.shape[-1]))


@for_layers("Embedding")
def embedding(layer: nn.Embedding, x: torch.Tensor) -> torch.Tensor | None:
    """A row of the table for each token."""
    if str(x.dtype) not in ("torch.int32", "torch.int64"):
        return None
    return like(layer.weight, (*x.shape, layer.embedding_dim))


@for_layers("_MaxPoolNd", "_AvgPoolNd")
def window(pool: Any, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a max or average pool with a moving window."""
    axes = axes_of(pool)
    if x.ndim not in (axes + 1, axes + 2) or getattr(pool, "return_indices", False):
        return None
    stride = pool.kernel_size if pool.stride is None else pool.stride
    parts = (pool.kernel_size, stride, pool.padding, getattr(pool, "dilation", 1))
    known = [several(part, axes) for part in parts]
    if any(part is None for part in known) or not _half(known[2], known[0]):
        return None
    rows = zip(x.shape[-axes:], *(part or () for part in known), strict=True)
    sizes = [_moved(*row, ceil=pool.ceil_mode) for row in rows]
    if min(sizes) < 1:
        raise RuntimeError(f"Given input size {list(x.shape)}: output size is too small: {sizes}")
    return like(x, (*x.shape[:-axes], *sizes))


def _half(padding: tuple[int, ...] | None, kernel: tuple[int, ...] | None) -> bool:
    """True if a pool's padding is at most half of its window, as torch wants it."""
    return all(2 * p <= k for p, k in zip(padding or (), kernel or (), strict=False))


def _moved(size: int, kernel: int, stride: int, pad: int, step: int, *, ceil: bool) -> int:
    reach = size + 2 * pad - step * (kernel - 1) - 1
    found = -(-reach // stride) + 1 if ceil else reach // stride + 1
    # the last window must start inside the input or its left padding
    return found - 1 if ceil and (found - 1) * stride >= size + pad else found


@for_layers("_AdaptiveAvgPoolNd", "_AdaptiveMaxPoolNd")
def adaptive(pool: Any, x: torch.Tensor) -> torch.Tensor | None:
    """The output of an adaptive pool."""
    if getattr(pool, "return_indices", False):
        return None
    return _adapted(x, pool.output_size, axes_of(pool))


@for_functions("adaptive_avg_pool2d")
def adaptive_function(x: Any, output_size: Any = None) -> torch.Tensor | None:
    """``adaptive_avg_pool2d(x, output_size)``."""
    return _adapted(x, output_size, 2) if is_plain_tensor(x) else None


def _adapted(x: torch.Tensor, size: Any, axes: int) -> torch.Tensor | None:
    wanted = (size,) * axes if isinstance(size, int) or size is None else tuple(size)
    if len(wanted) != axes or x.ndim not in (axes + 1, axes + 2):
        return None
    old = x.shape[-axes:]
    sizes = [o if w is None else w for w, o in zip(wanted, old, strict=True)]
    return like(x, (*x.shape[:-axes], *sizes))


@for_functions("mean", "sum")
def mean(x: Any, dim: Any = None, keepdim: Any = False, **others: Any) -> torch.Tensor | None:
    """``x.mean(dim)`` and ``x.sum(dim)`` over the axes given."""
    axes = several(dim, 1)
    if not is_plain_tensor(x) or not x.is_floating_point() or axes is None or others:
        return None
    if not axes or any(not -x.ndim <= a < x.ndim for a in axes) or not isinstance(keepdim, bool):
        return None
    gone = {a % x.ndim for a in axes}
    if len(gone) < len(axes):
        return None
    kept = [1 if i in gone else s for i, s in enumerate(x.shape) if keepdim or i not in gone]
    return like(x, kept)
