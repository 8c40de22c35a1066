"""Weights of norms and kernels carried over, so that results stay what they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from bnlint.fixes.plan import Refused


def drop_bias(kernel: nn.Module, norms: Sequence[nn.Module]) -> None:
    """Take the bias of a kernel away and lower the running mean of the norms that read it.

    In train mode the norms take it out anyway; in eval mode ``y - (mean - bias)`` is what
    ``y + bias - mean`` was.
    """
    bias = getattr(kernel, "bias", None)
    if not isinstance(bias, nn.Parameter) or "bias" not in kernel._parameters:
        raise Refused("its bias is no plain parameter")
    means = [m for n in norms if (m := getattr(n, "running_mean", None)) is not None]
    if any(m.shape != bias.shape for m in means):
        raise Refused("the norm has other channels than the bias")
    with torch.no_grad():
        for mean in means:
            mean.sub_(bias.to(mean.dtype))
    kernel.register_parameter("bias", None)


def merge_norms(first: nn.Module, second: nn.Module) -> None:
    """Give ``first`` the scale and shift that both had together in eval mode.

    With running mean m and variance v of the second: ``(y - m) / sqrt(v + eps) * w + b``, and y is
    the first one's own scale and shift of what it normalised.
    """
    one: Any = first
    other: Any = second
    if type(one) is not type(other):
        raise Refused("the two norms are of different kinds")
    if one.weight is None or one.running_mean is None or other.running_mean is None:
        raise Refused("one of the two norms has no scale or no running statistics")
    with torch.no_grad():
        scale = torch.rsqrt(other.running_var + other.eps)
        if other.weight is not None:
            scale = scale * other.weight
        shift = -other.running_mean * scale
        if other.bias is not None:
            shift = shift + other.bias
        one.weight.mul_(scale)
        one.bias.mul_(scale).add_(shift)
