"""Settings whose class is incomplete, quoted, or kept by a method that the constructor calls."""

from __future__ import annotations

from pathlib import Path

from bnlint.domain.graph import ModelGraph
from bnlint.loading.missing.stubs import Stubs
from tests.unit.models.test_discovery import records, records_of

OF_MISSING = """
from dataclasses import dataclass
from torch import nn
from nowhere_to_be_found import BaseConfig, II

@dataclass
class Config(BaseConfig):
    width: int = 12
    rate: float = II("model.rate")

class Net(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.fc = nn.Linear(cfg.width, cfg.num_classes)
        self.drop = nn.Dropout(cfg.rate)
        self.mask = cfg.apply_mask

    def forward(self, x):
        return self.drop(self.fc(x))
"""


def test_settings_whose_base_is_missing_are_completed(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(OF_MISSING)
    stubs = Stubs()
    stubs.add("nowhere_to_be_found")
    try:
        (graph,) = (r for r in records_of(file) if isinstance(r, ModelGraph))
    finally:
        stubs.close()
    assert {"cfg.num_classes", "cfg.rate"} <= set(graph.ref.guessed)
    assert "cfg.width" not in graph.ref.guessed
    assert [op.outputs for op in graph.ops if op.kind == "linear"] == [((2, 10),)]


def test_a_class_in_quotes_is_one_of_settings_too() -> None:
    code = """
    class Owner:
        def __init__(self, path):
            self.hidden_units = 3

    class Head(nn.Module):
        def __init__(self, parent: "Owner"):
            super().__init__()
            self.fc = nn.Linear(parent.hidden_units, parent.num_classes)

        def forward(self, x):
            return self.fc(x)
    """
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    assert set(graph.ref.guessed) == {"parent.hidden_units", "parent.num_classes"}


def test_parts_that_a_method_takes_from_a_model_are_layers() -> None:
    code = """
    class Encoder(nn.Module):
        def __init__(self, clip):
            super().__init__()
            self.define(clip.visual)

        def define(self, model):
            self.first = model.first
            self.last = model.last
            self.scale = model.scale

        def forward(self, x):
            return self.last(self.first(x)) * self.scale

    class Net(nn.Module):
        def __init__(self, clip, width):
            super().__init__()
            self.encoder = Encoder(clip)
            self.head = nn.Linear(width, 10)

        def forward(self, x):
            return self.head(self.encoder(x))
    """
    graphs = [r for r in records(code) if isinstance(r, ModelGraph)]
    (graph,) = (g for g in graphs if g.ref.name == "Net")
    assert graph.trace.complete
    assert {"clip.visual.first", "clip.visual.last"} <= set(graph.ref.guessed)


def test_an_argument_that_is_only_tested_is_off() -> None:
    code = """
    class Cells(nn.Module):
        def __init__(self, width, auxiliary):
            super().__init__()
            self.auxiliary = auxiliary
            self.stem = nn.Conv2d(3, width, 3)
            for i in range(width):
                if i > 1000:
                    last = i
            if auxiliary:
                self.head = nn.Conv2d(last, 10, 1)

        def forward(self, x):
            x = self.stem(x)
            return self.head(x) if self.auxiliary and self.training else x
    """
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    assert "auxiliary=False" in graph.ref.arguments
    assert graph.trace.complete


def test_a_model_whose_parameters_are_frozen_has_the_parts_that_are_taken() -> None:
    code = """
    class Net(nn.Module):
        def __init__(self, clip, width):
            super().__init__()
            for p in clip.parameters():
                p.requires_grad = False
            self.first = clip.visual.first
            self.at = clip.visual.position.shape
            self.head = nn.Linear(width, 10)

        def forward(self, x):
            return self.head(self.first(x))
    """
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    assert graph.trace.complete
    assert set(graph.ref.guessed) == {"clip", "width"}
