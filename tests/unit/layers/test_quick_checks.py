"""Each shape rule raises where torch raises, for tensors of every rank that may come."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.layers.shapes import quick

Shape = tuple[int, ...]


def shapes() -> Iterator[Shape]:
    """Shapes of up to six axes, of which the last ones are alike."""
    for rank in range(7):
        for lead in itertools.product((1, 2, 3, 4), repeat=min(rank, 2)):
            for size in (1, 2, 3, 4) if rank > 2 else (0,):
                yield (*lead, *(size,) * (rank - 2))
    yield from ((0, 4), (2, 0), (2, 4, 0), (0, 4, 3, 3), (2, 4, 0, 3), (2, 0, 3, 3), (2, 4, 3, 1))


SHAPES = tuple(shapes())

LAYERS = (
    *(make(4) for make in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)),
    *(make(4) for make in (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)),
    nn.BatchNorm1d(4, affine=False, track_running_stats=False),
    nn.BatchNorm2d(4, track_running_stats=False),
    nn.InstanceNorm1d(4, affine=True),
    nn.InstanceNorm2d(4, track_running_stats=True),
    *(nn.LayerNorm(4), nn.LayerNorm((3, 4)), nn.RMSNorm(4)),
    *(nn.GroupNorm(2, 4), nn.GroupNorm(4, 4), nn.GroupNorm(2, 4, affine=False)),
    *(nn.Linear(4, 5), nn.Conv1d(4, 2, 1), nn.Conv2d(2, 2, 3), nn.Conv3d(2, 2, 2)),
    nn.Conv2d(2, 2, 2, padding=1, padding_mode="reflect"),
    nn.Conv2d(2, 2, 3, padding=2, padding_mode="circular"),
    *(nn.ConvTranspose1d(2, 2, 2), nn.ConvTranspose2d(2, 2, 1, 1, 1)),
    *(nn.MaxPool1d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 1, 2), nn.AvgPool3d(2)),
    *(nn.AdaptiveAvgPool1d(1), nn.AdaptiveAvgPool2d((None, 2)), nn.AdaptiveMaxPool3d(1)),
    *(nn.ReLU(), nn.Softmax(1), nn.LogSoftmax(2), nn.Softmin(-3), nn.Softmax2d(), nn.GLU()),
    *(nn.Dropout(), nn.Dropout1d(), nn.Dropout2d(), nn.Dropout3d(), nn.FeatureAlphaDropout()),
)

FUNCTIONS: tuple[tuple[Any, tuple[Any, ...], dict[str, Any]], ...] = (
    (F.softmax, (), {"dim": 2}),
    (torch.softmax, (1,), {}),
    ("softmax", (-3,), {}),
    (F.gumbel_softmax, (), {"dim": 2}),
    (F.dropout, (1.5,), {}),
    (F.dropout1d, (0.5,), {}),
    (F.dropout2d, (0.5,), {}),
    (F.relu, (), {"inplce": True}),
    (F.elu, (1.0, True), {}),
    (torch.sigmoid, (1,), {}),
    ("relu", (1,), {}),
    ("clamp", (), {}),
    ("clamp", (0, 1), {}),
    (torch.clamp, (), {"mn": 0}),
    ("abs", (2,), {}),
    ("mean", (1,), {}),
    ("mean", ((1, -1),), {}),
    ("sum", ((0, 5),), {}),
    ("sub", (True,), {}),
    ("maximum", (2.0,), {}),
    (F.adaptive_avg_pool2d, ((1, 2, 3),), {}),
)


def outcome(run: Any) -> Shape | str | None:
    """The shape of a result, ``raises``, or None where a rule is not sure."""
    try:
        with torch.no_grad():
            result = run()
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError):
        return "raises"
    return None if result is None else tuple(result.shape)


def differences(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The shapes for which a rule is sure, and torch does otherwise."""
    found = []
    for shape in SHAPES:
        x = torch.zeros(shape)
        by_rule = outcome(lambda x=x: quick(target, (x.to("meta"), *args), kwargs))
        method = getattr(x, target) if isinstance(target, str) else partial(target, x)
        by_torch = outcome(lambda method=method: method(*args, **kwargs))
        if by_rule not in (None, by_torch):
            found.append((shape, by_rule, by_torch))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_layers(layer: nn.Module, training: bool) -> None:
    assert differences(layer.train(training), (), {}) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("target", "args", "kwargs"), FUNCTIONS)
def test_functions(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert differences(target, args, kwargs) == []
