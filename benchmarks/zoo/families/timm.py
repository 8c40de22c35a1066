"""Every architecture of timm."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import torch
from torch import nn

from .entry import Entry, Inputs
from .operators import define_torchvision_operators


def timm_entries() -> Iterator[Entry]:
    """Every architecture of timm."""
    define_torchvision_operators()
    timm = importlib.import_module("timm")
    for name in timm.list_models():
        yield Entry(name, lambda n=name: timm.create_model(n, pretrained=False), _timm_inputs)


def _timm_inputs(model: nn.Module) -> Inputs:
    config = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    size = config.get("input_size", (3, 224, 224))
    return (torch.empty(2, *size, device="meta"),), {}
