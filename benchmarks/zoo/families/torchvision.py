"""Every model that torchvision registers."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator

import torch
from torch import nn

from .entry import Entry, Inputs, image
from .operators import define_torchvision_operators


def torchvision_entries() -> Iterator[Entry]:
    """Every model that torchvision registers."""
    define_torchvision_operators()
    models = importlib.import_module("torchvision.models")
    for name in models.list_models():
        builder = models.get_model_builder(name)
        known = inspect.signature(builder).parameters
        options = {k: None for k in ("weights", "weights_backbone") if k in known}
        yield Entry(name, lambda b=builder, o=options: b(**o), _torchvision_inputs(name))


def _torchvision_inputs(name: str) -> Callable[[nn.Module], Inputs | None]:
    if name.startswith(("mvit", "swin3d")) or name in ("mc3_18", "r3d_18", "r2plus1d_18", "s3d"):
        return image(2, 3, 16, 224, 224)
    if name.startswith("raft"):
        return lambda m: (tuple(torch.empty(2, 3, 128, 128, device="meta") for _ in "ab"), {})
    if any(word in name for word in ("rcnn", "retinanet", "fcos", "ssd")):
        return lambda m: (([torch.empty(3, 320, 320, device="meta") for _ in "ab"],), {})
    side = 299 if "inception" in name else 224
    return image(2, 3, side, side)
