"""Parts of a forward that fails, traced with what they got before, or with guessed inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import ModelGraph, Op
from bnlint.models.guessing.guess import given
from bnlint.tracing.model import trace_model


class Pair(nn.Module):
    """Unpacks a tuple that its caller must pass, which plain fx cannot."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor, angles: Any = None, memory: Any = None) -> torch.Tensor:
        cosine, sine = angles
        if memory is not None:
            memory.add(x)
        for row in x:
            x = x + row
        return self.second(self.first(x * cosine) + sine)


class Memory:
    """What a forward adds to; a second forward with the same one finds it changed."""

    def __init__(self) -> None:
        self.held: list[torch.Tensor] = []

    def add(self, x: torch.Tensor) -> None:
        self.held.append(x)
        if len(self.held) > 3:
            raise ValueError("full")


class Tower(nn.Module):
    """Fails in one of its parts, after others were called."""

    def __init__(self, fails_at: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(Pair(8) for _ in range(3))
        self.fails_at = fails_at
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        memory = Memory()
        for number, part in enumerate(self.parts):
            if number == self.fails_at:
                raise KeyError("no such size")
            x = part(x, angles=(x.cos(), x.sin()), memory=memory)
        return self.head(x)


class Rows(nn.Module):
    """Takes one input, whose size its layer tells."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.stack([row * 2 for row in x]))


class Late(nn.Module):
    """Fails before it reaches its second part."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), Rows()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in x:
            x = self.first(x)
        raise KeyError("not here")


def trace(model: nn.Module) -> ModelGraph:
    with torch.device("meta"):
        inputs = given(torch.empty(2, 8))
    return trace_model(model, inputs=inputs)


def of(graph: ModelGraph, layer: str) -> Op:
    return next(op for op in graph.ops if op.layer == layer)


def test_a_part_is_traced_with_what_it_got_before_the_failure() -> None:
    graph = trace(Tower(fails_at=1))
    assert not graph.trace.complete
    assert not any(part.path.startswith("parts.0") for part in graph.trace.opaque)
    assert of(graph, "parts.0.second").outputs == ((2, 8),)


def test_a_part_that_was_not_reached_gets_the_inputs_of_another_of_its_class() -> None:
    graph = trace(Tower(fails_at=1))
    assert graph.trace.guessed == ("parts.1", "parts.2")
    assert not any(part.path.startswith("parts") for part in graph.trace.opaque)
    assert of(graph, "parts.2.second").outputs == ()


def test_an_object_that_the_failed_forward_changed_does_not_hide_a_part() -> None:
    graph = trace(Tower(fails_at=3))
    assert graph.trace.complete
    assert graph.trace.guessed == ()


def test_a_part_that_no_other_tells_of_gets_guessed_inputs_and_no_shapes() -> None:
    graph = trace(Late())
    assert graph.trace.guessed == ("second",)
    assert of(graph, "second.fc").outputs == ()
    assert [part.path for part in graph.trace.opaque] == [""]
