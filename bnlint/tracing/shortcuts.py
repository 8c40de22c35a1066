"""What a batch or instance norm would do to a shape, without running it.

On the meta device a norm is decomposed into a dozen element-wise steps, which made it nine tenths
of the cost of a shape pass. Its checks are torch's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

_PLAIN = (nn.modules.batchnorm._BatchNorm.forward, nn.modules.instancenorm._InstanceNorm.forward)


def applies(target: Any, args: tuple[Any, ...]) -> bool:
    """True for a norm with torch's own forward and no hooks, called with one tensor."""
    return (
        isinstance(target, nn.modules.batchnorm._NormBase)
        and type(target).forward in _PLAIN
        and "forward" not in vars(target)
        and not target._forward_hooks
        and not target._forward_pre_hooks
        and not (target._parameters.get("weight") is not None and is_lazy(target.weight))
        and len(args) == 1
        and isinstance(args[0], torch.Tensor)
    )


def run(norm: nn.modules.batchnorm._NormBase, x: torch.Tensor) -> torch.Tensor:
    """The input, whose shape is the output's.

    Raises
    ------
    ValueError
        As torch does, for a wrong rank, for wrong channels, or for one value per channel in
        training.
    """
    norm._check_input_dim(x)
    batch_norm = isinstance(norm, nn.modules.batchnorm._BatchNorm)
    if (batch_norm or norm.affine or norm.track_running_stats) and x.ndim > 1:
        axis = 1 if batch_norm else x.ndim - norm._get_no_batch_dim()
        if x.shape[axis] != norm.num_features:
            raise ValueError(
                f"expected {norm.num_features} channels in axis {axis}, got {x.shape[axis]}"
            )
    if batch_norm and norm.training:
        functional._verify_batch_size(list(x.shape))
    return x
