"""Shapes of pooling (formulas: the docs of ``torch.nn``) and of means over axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnlint.layers.shapes.registry import (
    for_functions,
    for_layers,
    is_plain_tensor,
    like,
    several,
)

if TYPE_CHECKING:
    import torch


@for_layers("_MaxPoolNd", "_AvgPoolNd")
def window(pool: Any, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a max or average pool with a moving window."""
    axes = int(type(pool).__name__[-2]) if type(pool).__name__[-2:-1].isdigit() else 0
    if not axes or x.ndim not in (axes + 1, axes + 2) or getattr(pool, "return_indices", False):
        return None
    stride = pool.kernel_size if pool.stride is None else pool.stride
    parts = (pool.kernel_size, stride, pool.padding, getattr(pool, "dilation", 1))
    known = [several(part, axes) for part in parts]
    if any(part is None for part in known):
        return None
    rows = zip(x.shape[-axes:], *(part or () for part in known), strict=True)
    sizes = [_moved(*row, ceil=pool.ceil_mode) for row in rows]
    if min(sizes) < 1:
        raise RuntimeError(f"Given input size {list(x.shape)}: output size is too small: {sizes}")
    return like(x, (*x.shape[:-axes], *sizes))


def _moved(size: int, kernel: int, stride: int, pad: int, step: int, *, ceil: bool) -> int:
    reach = size + 2 * pad - step * (kernel - 1) - 1
    found = -(-reach // stride) + 1 if ceil else reach // stride + 1
    # the last window must start inside the input or its left padding
    return found - 1 if ceil and (found - 1) * stride >= size + pad else found


@for_layers("_AdaptiveAvgPoolNd", "_AdaptiveMaxPoolNd")
def adaptive(pool: Any, x: torch.Tensor) -> torch.Tensor | None:
    """The output of an adaptive pool."""
    axes = int(type(pool).__name__[-2]) if type(pool).__name__[-2:-1].isdigit() else 0
    if not axes or getattr(pool, "return_indices", False):
        return None
    return _adapted(x, pool.output_size, axes)


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
    kept = [1 if i in gone else s for i, s in enumerate(x.shape) if keepdim or i not in gone]
    return like(x, kept)
