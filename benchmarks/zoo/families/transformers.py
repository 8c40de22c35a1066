"""The model types of transformers that hold a batch norm."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from .entry import Entry, Inputs
from .operators import define_torchvision_operators


def transformers_entries() -> Iterator[Entry]:
    """Every model type of transformers whose default model holds a batch norm."""
    define_torchvision_operators()
    transformers = importlib.import_module("transformers")
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    for model_type in sorted(CONFIG_MAPPING.keys()):
        stands_alone = CONFIG_MAPPING[model_type] in transformers.MODEL_MAPPING
        if stands_alone and _mentions_batch_norm(model_type):
            yield Entry(
                model_type,
                lambda t=model_type: transformers.AutoModel.from_config(CONFIG_MAPPING[t]()),
                _transformers_inputs,
                "inferred",
            )


def _mentions_batch_norm(model_type: str) -> bool:
    from transformers.models.auto.configuration_auto import model_type_to_module_name

    name = model_type_to_module_name(model_type)
    spec = importlib.util.find_spec(f"transformers.models.{name}.modeling_{name}")
    if spec is None or spec.origin is None:
        return False
    with open(spec.origin, encoding="utf-8") as file:
        return "BatchNorm" in file.read()


def _transformers_inputs(model: nn.Module) -> Inputs | None:
    names = list(inspect.signature(model.forward).parameters)
    config: Any = model.config
    if "pixel_values" in names:
        side = getattr(config, "image_size", None) or 224
        sides = side if isinstance(side, (tuple, list)) else (side, side)
        channels = getattr(config, "num_channels", 3)
        return (), {"pixel_values": torch.empty(2, channels, *sides, device="meta")}
    if "input_features" in names:
        bins = getattr(config, "num_mel_bins", None) or getattr(config, "feature_size", 80)
        return (), {"input_features": torch.empty(2, 200, bins, device="meta")}
    if "input_values" in names:
        return (), {"input_values": torch.empty(2, 16000, device="meta")}
    if "input_ids" in names:
        return (), {"input_ids": torch.zeros(2, 16, dtype=torch.long, device="meta")}
    return None
