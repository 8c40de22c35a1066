"""One model for each file of pytorchcv."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import torch
from torch import nn

from .entry import Entry, Inputs
from .operators import define_torchvision_operators


def pytorchcv_entries() -> Iterator[Entry]:
    """One model for each file of pytorchcv: the first of its factories that builds."""
    define_torchvision_operators()
    package = importlib.import_module("pytorchcv.models")
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("common") or info.ispkg:
            continue
        module = importlib.import_module(f"pytorchcv.models.{info.name}")
        names = [n for n in getattr(module, "__all__", ()) if n[:1].islower()]
        if names:
            factory = getattr(module, names[0])
            yield Entry(f"{info.name}.{names[0]}", factory, _pytorchcv_inputs)


def _pytorchcv_inputs(model: nn.Module) -> Inputs | None:
    size = getattr(model, "in_size", None)
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if size is None or first is None:
        return None
    channels = 1 if first.in_channels == 1 else 3  # others fold the image into channels first
    sides = size if isinstance(size, (tuple, list)) else (size, size)
    return (torch.empty(2, channels, *sides, device="meta"),), {}
