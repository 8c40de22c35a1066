"""Shapes by formula for the common operations, without running them on the meta device.

There, the first convolution imports sympy (.2 s), the first addition torch's compiler (.8 s), and
a batch norm is decomposed into a dozen steps: more than all the rest of a run. A rule covers only
what it is sure of (torch's own layer or function, plain floating tensors), the rest really runs.
``tests/unit/layers/test_shapes.py`` holds every rule against the real operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from bnlint.layers.calls import name_of
from bnlint.layers.shapes import elementwise, kernels, norms, pools
from bnlint.layers.shapes.plain import is_plain_module, is_plain_tensor

LayerRule = Callable[[Any, torch.Tensor], torch.Tensor | None]
FunctionRule = Callable[..., torch.Tensor | None]

LAYERS: tuple[tuple[type[nn.Module], LayerRule], ...] = (
    (nn.modules.conv._ConvTransposeNd, kernels.transposed),
    (nn.modules.conv._ConvNd, kernels.convolution),
    (nn.Linear, kernels.linear),
    (nn.modules.batchnorm._NormBase, norms.per_channel),
    (nn.LayerNorm, norms.layer),
    (nn.GroupNorm, norms.group),
    (nn.modules.pooling._MaxPoolNd, pools.window),
    (nn.modules.pooling._AvgPoolNd, pools.window),
    (nn.modules.pooling._AdaptiveAvgPoolNd, pools.adaptive),
    (nn.modules.pooling._AdaptiveMaxPoolNd, pools.adaptive),
    (nn.modules.dropout._DropoutNd, elementwise.layer),
    (nn.Embedding, kernels.embedding),
    *((kind, elementwise.layer) for kind in elementwise.LAYERS),
)
"""Rules for layers, by class; the first that fits."""

FUNCTIONS: Mapping[str, FunctionRule] = {
    **dict.fromkeys(elementwise.UNARY, elementwise.unary),
    **dict.fromkeys(elementwise.BINARY, elementwise.binary),
    **dict.fromkeys(elementwise.IN_PLACE, elementwise.in_place),
    "cat": elementwise.concatenated,
    "concat": elementwise.concatenated,
    "mean": pools.mean,
    "sum": pools.mean,
    "adaptive_avg_pool2d": pools.adaptive_function,
    "scaled_dot_product_attention": kernels.attention,
}
"""Rules for functions and tensor methods, by plain name."""


def quick(target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """The result of the call with the right shape, or None where no rule is sure.

    Raises
    ------
    RuntimeError, ValueError
        Where the operation itself would, because the shapes do not fit.

    """
    if not args:
        return None
    if isinstance(target, nn.Module):
        return _layer(target, args, kwargs)
    rule = FUNCTIONS.get(name_of(target))
    if rule is None or not _is_torch(target):
        return None
    return rule(*args, **kwargs)


def _layer(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> torch.Tensor | None:
    if kwargs or len(args) != 1 or not is_plain_tensor(args[0]) or not is_plain_module(module):
        return None
    for kind, rule in LAYERS:
        if isinstance(module, kind):
            return rule(module, args[0])
    return None


def _is_torch(target: Any) -> bool:
    """True for tensor methods, operators and torch's own functions."""
    if isinstance(target, str):
        return True
    home = getattr(target, "__module__", None) or "torch"
    return home.startswith(("torch", "_operator"))
