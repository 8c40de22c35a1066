"""A live model, its inputs and the process are the same after any function of the API."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import bnlint
from bnlint.domain.errors import UsageError
from tests.unit.snapshot import changes, snapshot

pytestmark = pytest.mark.hostile

Wrap = Callable[[nn.Module], nn.Module]


class Wrapped(nn.Module):
    """Two convolutions whose weights are computed, the ways that torch has for that."""

    def __init__(self, wrap: Wrap) -> None:
        super().__init__()
        self.first, self.second = wrap(nn.Conv2d(3, 4, 3)), wrap(nn.Conv2d(4, 2, 3))
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return self.second(torch.relu(self.norm(self.first(x))))


class Busy(nn.Module):
    """Writes to everything it has and to the process, and cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm, self.drop = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout()
        self.lock, self.seen, self.ema = threading.Lock(), [0], torch.zeros(6)
        self.array, self.random = np.zeros(2), random.Random(1)
        self.drop.eval()
        self.fc.bias.requires_grad_(False)
        self.fc.weight.grad = torch.ones(6, 6)
        self.fc.register_forward_hook(lambda module, inputs, output: output * 1)

    def forward(self, x):
        with self.lock:
            self.seen[0] += 1
        self.array += 1
        self.ema.mul_(0.9).add_(1)
        self.random.random()
        torch.manual_seed(3)
        random.seed(3)
        np.random.rand()
        torch.set_default_dtype(torch.float64)
        self.drop.train()
        self.last = torch.relu(self.norm(self.fc(x)))
        return self.drop(self.last)


MODELS: dict[str, Callable[[], tuple[nn.Module, torch.Tensor]]] = {
    "spectral norm": lambda: _images(parametrizations.spectral_norm),
    "spectral norm, old": lambda: _images(nn.utils.spectral_norm),
    "weight norm": lambda: _images(parametrizations.weight_norm),
    "weight norm, old": lambda: _images(nn.utils.weight_norm),
    "orthogonal": lambda: (
        nn.Sequential(parametrizations.orthogonal(nn.Linear(6, 6)), nn.BatchNorm1d(6), nn.ReLU()),
        torch.randn(4, 6),
    ),
    "busy": lambda: (Busy(), torch.randn(4, 6)),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "check_model": bnlint.check_model,
    "check_model, guessed": lambda model, _: bnlint.check_model(model),
    "trace": bnlint.trace,
    "repair": bnlint.repair,
    "assert_clean": bnlint.assert_clean,
    "probe": lambda model, x: bnlint.probe(model, x, compare=True, steps=1),
}


def _images(wrap: Wrap) -> tuple[nn.Module, torch.Tensor]:
    return Wrapped(wrap), torch.randn(2, 3, 8, 8)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("mode", ["train", "eval", "after a step"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", MODELS)
def test_nothing_has_changed(name: str, function: str, mode: str) -> None:
    model, x = MODELS[name]()
    if mode == "after a step":  # plain attributes hold results of it
        model(x).sum().backward()
        torch.set_default_dtype(torch.float32)
    model.train(mode != "eval")
    before = snapshot(model, x)
    with contextlib.suppress(AssertionError, UsageError):  # not clean, not traced by fx
        FUNCTIONS[function](model, x)
    assert changes(before, snapshot(model, x)) == []


def test_the_snapshot_sees_what_a_forward_does() -> None:
    model, x = Busy(), torch.randn(4, 6)
    before = snapshot(model, x)
    model(x)
    torch.set_default_dtype(torch.float32)
    seen = " ".join(changes(before, snapshot(model, x)))
    for part in ("seen", "array", "ema", "random", "last", "drop", "norm", "generators"):
        assert part in seen


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["spectral norm", "weight norm, old"])
def test_a_repaired_model_computes_the_same(name: str) -> None:
    model, x = MODELS[name]()
    repaired = bnlint.repair(model, x)
    assert repaired.meta["bnlint"]["done"]
    assert torch.allclose(model.eval()(x), repaired.eval()(x), atol=1e-5)


def test_a_model_that_cannot_be_copied_is_traced_whole() -> None:
    report = bnlint.check_model(Busy(), torch.randn(4, 6))
    assert [f.rule for f in report.findings if f.layer == "fc"] == ["BN301"]


def test_a_lazy_model_is_refused_with_the_reason() -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.BatchNorm1d(4))
    with pytest.raises(UsageError, match="lazy layers"):
        bnlint.repair(model, torch.randn(4, 6))
