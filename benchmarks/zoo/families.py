"""The libraries of the zoo: for each, its models by name, how to build one, and what it takes.

Nothing is downloaded: models are built without weights, on ``meta`` where their code allows it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a library; ``inputs`` gives meta tensors for its forward, or None.

    ``source`` says whether the library states those inputs (declared), or they are a guess.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[nn.Module], Inputs | None]
    source: str = "declared"


def image(*shape: int) -> Callable[[nn.Module], Inputs]:
    """One image batch as the only argument."""
    return lambda model: ((torch.empty(shape, device="meta"),), {})


def torchvision_entries() -> Iterator[Entry]:
    """Every model that torchvision registers."""
    _define_torchvision_operators()
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


def _define_torchvision_operators() -> None:
    """Let torchvision import beside a torch without its compiled operators."""
    if hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)


_KEPT: list[Any] = []
"""Operator libraries, which live as long as something holds them."""


def timm_entries() -> Iterator[Entry]:
    """Every architecture of timm."""
    _define_torchvision_operators()
    timm = importlib.import_module("timm")
    for name in timm.list_models():
        yield Entry(name, lambda n=name: timm.create_model(n, pretrained=False), _timm_inputs)


def _timm_inputs(model: nn.Module) -> Inputs:
    config = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    size = config.get("input_size", (3, 224, 224))
    return (torch.empty(2, *size, device="meta"),), {}


def pytorchcv_entries() -> Iterator[Entry]:
    """One model for each file of pytorchcv: the first of its factories that builds."""
    _define_torchvision_operators()
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


def smp_entries() -> Iterator[Entry]:
    """Every decoder of segmentation-models-pytorch, on two encoders."""
    _define_torchvision_operators()
    smp = importlib.import_module("segmentation_models_pytorch")
    for arch in sorted(smp.MODEL_ARCHITECTURES_MAPPING):
        for encoder in ("resnet18", "efficientnet-b0"):
            yield Entry(
                f"{arch}-{encoder}",
                lambda a=arch, e=encoder: smp.create_model(a, e, encoder_weights=None),
                image(2, 3, 256, 256),
            )


def transformers_entries() -> Iterator[Entry]:
    """Every model type of transformers whose default model holds a batch norm."""
    _define_torchvision_operators()
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


FAMILIES: dict[str, Callable[[], Iterator[Entry]]] = {
    "torchvision": torchvision_entries,
    "timm": timm_entries,
    "pytorchcv": pytorchcv_entries,
    "segmentation-models-pytorch": smp_entries,
    "transformers": transformers_entries,
}
