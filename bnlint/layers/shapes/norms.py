"""Norms keep the shape of their input; their checks are torch's own."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from bnlint.layers.shapes.plain import like


def per_channel(norm: nn.modules.batchnorm._NormBase, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a batch or instance norm.

    Raises
    ------
    ValueError
        For a wrong rank, for wrong channels, or for one value per channel in training.

    """
    if isinstance(norm, nn.SyncBatchNorm):
        return None
    norm._check_input_dim(x)  # type: ignore[no-untyped-call]
    batch_norm = isinstance(norm, nn.modules.batchnorm._BatchNorm)
    if (batch_norm or norm.affine or norm.track_running_stats) and x.ndim > 1:
        axis = 1 if batch_norm else x.ndim - norm._get_no_batch_dim()  # type: ignore[operator]
        if x.shape[axis] != norm.num_features:
            raise ValueError(
                f"expected {norm.num_features} channels in axis {axis}, got {x.shape[axis]}"
            )
    if batch_norm and norm.training:
        functional._verify_batch_size(list(x.shape))  # type: ignore[attr-defined]
    return like(x, x.shape)


def layer(norm: nn.LayerNorm, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a layer norm."""
    wanted = tuple(norm.normalized_shape)
    if tuple(x.shape[-len(wanted) :]) != wanted:
        raise RuntimeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape "
            f"[*, {', '.join(map(str, wanted))}], but got input of size{list(x.shape)}"
        )
    return like(x, x.shape)


def group(norm: nn.GroupNorm, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a group norm."""
    if x.ndim < 2 or x.shape[1] % norm.num_groups:
        return None
    if norm.affine and x.shape[1] != norm.num_channels:
        raise RuntimeError(f"expected {norm.num_channels} channels, got {x.shape[1]}")
    return like(x, x.shape)
