"""The model types of transformers that hold a batch norm."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from torch import nn

from bnlint.models.guessing.guess import Guesses
from bnlint.models.guessing.inputs.of_forward import infer

from .entry import Entry
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
                _guessed_inputs,
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


def _guessed_inputs(model: nn.Module) -> Guesses:
    return Guesses(infer(model))
