"""torchvision imported beside a torch without its compiled operators."""

from __future__ import annotations

from typing import Any

import torch


def define_torchvision_operators() -> None:
    """Let torchvision import beside a torch without its compiled operators.

    Where it imports as it is, nothing is defined: operators that are defined before torchvision
    loads its own end the process.
    """
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return
    except RuntimeError:  # operator torchvision::nms does not exist
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)


_KEPT: list[Any] = []
"""Operator libraries, which live as long as something holds them."""
