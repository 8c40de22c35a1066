"""Forwards that read what hooks keep, traced on a copy; wrappers for several devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnlint.tracing.model import trace_model
from tests.unit.tracing.test_tracers import given

KEPT: dict[str, Tensor] = {}


def keeps(name: str) -> Callable[..., None]:
    def hook(module: nn.Module, args: Any, result: Tensor) -> None:
        KEPT[name] = result

    return hook


class ByName(nn.Module):
    """Its hooks write to a dict of the file, which it holds as an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.body[0].register_forward_hook(keeps("conv"))
        self.kept = KEPT
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = self.body(x)
        return self.head(torch.cat([self.kept["conv"], found], 1))


class ByMethod(ByName):
    """Its hooks write to the model, which they see around them."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = {}
        self.body[0]._forward_hooks.clear()

        def hook(module: nn.Module, args: Any, result: Tensor) -> None:
            self.kept["conv"] = result

        self.body[0].register_forward_hook(hook)


class ByList(ByName):
    """A list that it shares with its hooks, one of which empties it."""

    def __init__(self) -> None:
        super().__init__()
        self.body[0]._forward_hooks.clear()
        self.found = found = []
        self.body[0].register_forward_pre_hook(lambda *_: found.clear())
        self.body[1].register_forward_hook(lambda module, args, result: found.append(result))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([self.body(x), self.found[-1]], 1))


@pytest.mark.parametrize("make", [ByName, ByMethod, ByList])
def test_what_hooks_keep_is_read_from_the_copy(make: type[ByName]) -> None:
    KEPT.clear()
    model = make()
    graph = trace_model(model, inputs=given((2, 3, 8, 8)))
    assert graph.trace.complete
    assert [op.outputs for op in graph.ops if op.layer == "head"] == [((2, 4, 8, 8),)]
    assert not KEPT
    assert not model.kept


def test_hooks_of_the_model_itself_stay_as_they_are() -> None:
    model = ByMethod()
    before = dict(model.body[0]._forward_hooks)
    trace_model(model, inputs=given((2, 3, 8, 8)))
    assert model.body[0]._forward_hooks == before
    model(torch.zeros(1, 3, 8, 8))
    assert not model.kept["conv"].is_meta


class Parallel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        inner = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
        self.body, self.head = nn.DataParallel(inner), nn.DataParallel(nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


def test_layers_are_seen_in_parts_that_are_spread_over_devices() -> None:
    model = Parallel()
    model.body.device_ids = [0, 1]  # as where there are some
    graph = trace_model(model, inputs=given((2, 3, 8, 8)))
    assert graph.trace.complete
    layers = {op.layer: op.outputs for op in graph.ops if op.layer.startswith(("body", "head"))}
    assert layers == {
        "body.module.0": ((2, 8, 6, 6),),
        "body.module.1": ((2, 8, 6, 6),),
        "head.module": ((2, 2),),
    }
    assert model.body.device_ids == [0, 1]
