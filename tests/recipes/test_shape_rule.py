"""To add a shape rule: one function in ``bnlint/layers/shapes``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from bnlint.layers.shapes import quick, shape_rules
from bnlint.layers.shapes.shape_rules import for_functions, for_layers, is_plain_tensor, like

X = torch.empty(2, 8, 3, 3, device="meta")


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shape_rules, "_LAYERS", dict(shape_rules._LAYERS))
    monkeypatch.setattr(shape_rules, "_FUNCTIONS", dict(shape_rules._FUNCTIONS))
    shape_rules._by_class.clear()
    yield
    shape_rules._by_class.clear()


def test_one_function_is_enough_for_a_layer() -> None:
    layer = nn.PixelShuffle(2)
    assert quick(layer, (X,), {}) is None

    @for_layers("PixelShuffle")
    def shuffled(layer: nn.PixelShuffle, x: torch.Tensor) -> torch.Tensor | None:
        r = layer.upscale_factor
        *batch, channels, height, width = x.shape
        return like(x, (*batch, channels // r**2, height * r, width * r))

    found = quick(layer, (X,), {})
    assert found is not None
    assert found.shape == layer(torch.zeros(2, 8, 3, 3)).shape


def test_one_function_is_enough_for_a_function() -> None:
    assert quick(torch.movedim, (X, 1, -1), {}) is None

    @for_functions("movedim")
    def moved(x: Any, source: int, target: int) -> torch.Tensor | None:
        if not is_plain_tensor(x):
            return None
        shape = list(x.shape)
        shape.insert(target % x.ndim, shape.pop(source))
        return like(x, shape)

    found = quick(torch.movedim, (X, 1, -1), {})
    assert found is not None
    assert found.shape == torch.zeros(2, 8, 3, 3).movedim(1, -1).shape


def test_a_rule_covers_subclasses_that_run_torchs_forward() -> None:
    class Mine(nn.Conv2d):
        """No forward of its own."""

    class Other(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    assert quick(Mine(8, 4, 3), (X,), {}) is not None
    assert quick(Other(8, 4, 3), (X,), {}) is None
