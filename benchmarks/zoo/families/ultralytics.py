"""Every model that ultralytics describes in YAML, at its smallest scale."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from .entry import Entry, image
from .operators import define_torchvision_operators

CLASSES = {
    "detect": "DetectionModel",
    "segment": "SegmentationModel",
    "semantic": "SemanticSegmentationModel",
    "pose": "PoseModel",
    "obb": "OBBModel",
    "depth": "DepthModel",
    "classify": "ClassificationModel",
}


def ultralytics_entries() -> Iterator[Entry]:
    """One model for each file of ultralytics/cfg/models."""
    define_torchvision_operators()
    os.environ.setdefault("YOLO_OFFLINE", "true")
    tasks = importlib.import_module("ultralytics.nn.tasks")
    folder = Path(tasks.__file__).parents[1] / "cfg" / "models"
    for path in sorted(folder.rglob("*.yaml")):
        yield Entry(
            str(path.relative_to(folder).with_suffix("")),
            lambda p=path: _build(tasks, p),
            image(2, 3, 256, 256),
        )


def _build(tasks: ModuleType, path: Path) -> nn.Module:
    described: dict[str, Any] = tasks.yaml_model_load(path)
    described["scale"] = next(iter(described.get("scales", {})), "")
    model: nn.Module = _class_of(tasks, path.stem, described)(described, verbose=False)
    return model


def _class_of(tasks: ModuleType, name: str, described: dict[str, Any]) -> Any:
    """The class that ultralytics itself would choose for such a file."""
    if name.startswith("yoloe"):
        return tasks.YOLOESegModel if name.endswith("seg") else tasks.YOLOEModel
    if "world" in name:
        return tasks.WorldModel
    if "rtdetr" in name:
        return tasks.RTDETRDetectionModel
    return getattr(tasks, CLASSES[tasks.guess_model_task(described)])
