"""The decoders of segmentation-models-pytorch."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from .entry import Entry, image
from .operators import define_torchvision_operators


def smp_entries() -> Iterator[Entry]:
    """Every decoder of segmentation-models-pytorch, on two encoders."""
    define_torchvision_operators()
    smp = importlib.import_module("segmentation_models_pytorch")
    for arch in sorted(smp.MODEL_ARCHITECTURES_MAPPING):
        for encoder in ("resnet18", "efficientnet-b0"):
            yield Entry(
                f"{arch}-{encoder}",
                lambda a=arch, e=encoder: smp.create_model(a, e, encoder_weights=None),
                image(2, 3, 256, 256),
            )
