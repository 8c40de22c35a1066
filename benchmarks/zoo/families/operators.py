"""torchvision imported beside a torch without its compiled operators."""

from __future__ import annotations

from typing import Any

import torch


def define_torchvision_operators() -> None:
    """Let torchvision import beside a torch without its compiled operators."""
    if hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)


_KEPT: list[Any] = []
"""Operator libraries, which live as long as something holds them."""
