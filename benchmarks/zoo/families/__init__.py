"""The libraries of the zoo: for each, its models by name, how to build one, and what it takes.

Nothing is downloaded: models are built without weights, on ``meta`` where their code allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .entry import Entry
from .monai import monai_entries
from .pytorchcv import pytorchcv_entries
from .smp import smp_entries
from .speechbrain import speechbrain_entries
from .timm import timm_entries
from .torch_geometric import torch_geometric_entries
from .torchvision import torchvision_entries
from .transformers import transformers_entries
from .ultralytics import ultralytics_entries

FAMILIES: dict[str, Callable[[], Iterator[Entry]]] = {
    "torchvision": torchvision_entries,
    "timm": timm_entries,
    "pytorchcv": pytorchcv_entries,
    "segmentation-models-pytorch": smp_entries,
    "transformers": transformers_entries,
    "monai": monai_entries,
    "ultralytics": ultralytics_entries,
    "torch-geometric": torch_geometric_entries,
    "speechbrain": speechbrain_entries,
}

__all__ = ["FAMILIES", "Entry", "timm_entries", "torchvision_entries"]
