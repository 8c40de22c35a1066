"""Guessed inputs are fitted to what a forward does with them, but never to a fault in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from bnlint.domain.graph import ModelGraph
from bnlint.layers.table import builtin_table
from bnlint.models.guessing.guess import Guess, Guesses
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.tracing.file import trace_source
from bnlint.tracing.fitting.candidates import fitted
from bnlint.tracing.model import trace_model
from bnlint.tracing.search_clock import SearchClock
from tests.unit.tracing.layouts import TAKEN


def traced(make: Callable[[], nn.Module]) -> ModelGraph:
    model = make()
    return trace_model(model, inputs=Guesses(infer(model)))


@pytest.mark.parametrize("make", TAKEN, ids=lambda make: make.__name__)
def test_inputs_are_of_the_shapes_that_a_forward_takes(make: type[nn.Module]) -> None:
    graph = traced(make)
    assert graph.ref.inputs.shapes == TAKEN[make]
    assert graph.ref.inputs.source == "inferred"
    assert graph.trace.complete
    assert [op.layer for op in graph.ops if op.error] == []


class OneByOne(nn.Module):
    """It says itself that the guessed batch is at fault."""

    shapes: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, input_ids: Tensor) -> Tensor:
        if input_ids.shape[0] != 1:
            raise ValueError("Cannot handle batch sizes > 1 without a token for padding.")
        self.shapes.append(tuple(input_ids.shape))
        return self.head(self.words(input_ids))


def test_one_sample_is_tried_first_where_an_error_speaks_of_the_batch() -> None:
    OneByOne.shapes.clear()
    graph = traced(OneByOne)
    assert graph.trace.complete
    assert graph.ref.inputs.shapes == ((1, 16),)
    assert [op.layer for op in graph.ops if op.error] == []
    assert OneByOne.shapes == [(1, 16)]


def test_every_value_is_known_with_fitted_inputs() -> None:
    unknown = [
        (make.__name__, op.layer)
        for make in TAKEN
        for op in traced(make).ops
        if op.kind != "output" and None in op.outputs
    ]
    assert unknown == []


class PooledToOne(nn.Module):
    """A norm that gets one value of each channel, for a batch of one as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        _ = int(x.shape[0])  # so that the forward is recorded
        return self.norm(self.conv(x).mean((2, 3), keepdim=True))


def test_a_norm_of_one_value_per_channel_asks_for_more_samples() -> None:
    one = Guess((torch.empty(1, 3, 32, 32, device="meta"),))
    graph = trace_model(PooledToOne(), inputs=Guesses((one,)))
    assert graph.ref.inputs.shapes == ((2, 3, 32, 32),)
    assert [op.outputs for op in graph.ops if op.layer == "norm"] == [((2, 8, 1, 1),)]


def failures(graph: ModelGraph) -> list[str]:
    return [op.layer for op in graph.ops if op.error]


class Narrow(nn.Module):
    """Its norm would pass only for images of one width, and its layout must be found first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(40, 64, 3)
        self.norm = nn.BatchNorm1d(48)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x.transpose(1, 2)))


class AfterNorm(nn.Module):
    """A layer norm over the width of the image: that is a fault and no reason for a size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 4, 4)
        self.norm = nn.LayerNorm(64)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Unflattened(nn.Module):
    """A linear layer on the width of a feature map, which an image of 16 x 16 would suit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, 1, 1)
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x))


def test_a_fault_behind_another_layout_is_seen() -> None:
    assert failures(traced(Narrow)) == ["norm"]


class Swapped(nn.Module):
    """The axes are swapped once too often, so that a layer reads the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 24, 3, padding=1)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).transpose(1, 2).transpose(1, 2))


def test_no_number_of_steps_is_chosen_for_axes_that_may_be_swapped() -> None:
    (shape,) = traced(Swapped).ref.inputs.shapes
    assert shape[2] != 24


def test_no_size_is_chosen_so_that_a_fault_fits() -> None:
    graph = traced(AfterNorm)
    assert graph.ref.inputs.shapes == ((2, 3, 224, 224),)
    assert failures(graph) == ["norm"]
    graph = traced(Unflattened)
    assert graph.ref.inputs.shapes == ((2, 3, 224, 224),)
    assert [op.outputs for op in graph.ops if op.layer == "fc"] == [()]


def test_a_size_is_found_behind_a_fault() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.norm = nn.BatchNorm2d(16)
            self.fc = nn.Linear(8 * 14 * 14, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(nn.functional.max_pool2d(self.norm(self.conv(x)), 2).flatten(1))

    graph = traced(Both)
    assert failures(graph) == ["norm"]
    assert graph.ref.inputs.shapes == ((2, 3, 30, 30),)


def test_a_model_that_passes_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the first guess passes")

    monkeypatch.setattr("bnlint.tracing.fitting.fit.attempt", refuse)
    graph = traced(lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    assert graph.ref.inputs.shapes == ((2, 3, 224, 224),)


def test_the_number_of_forwards_is_limited() -> None:
    class Impossible(nn.Module):
        runs = 0

        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            Impossible.runs += 1
            a, b = torch.empty(x.shape[-1], 3), torch.empty(x.shape[-1], 5)
            return self.fc(x.view(-1, 7)) @ a + b

    traced(Impossible)
    assert Impossible.runs < 300


def test_only_the_inputs_that_get_furthest_are_tried_in_other_sizes() -> None:
    class Unset(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            if x.ndim == 2:
                raise ValueError("sequences are needed")
            x = self.second(self.first(x)) if mask is None else self.first(x)
            return x + self.nowhere

    def shapes(*axes: int) -> Guess:
        return Guess((torch.empty(axes, device="meta"),))

    model, starts = Unset(), (shapes(2, 8), shapes(2, 5, 8))
    found = fitted(model, builtin_table(), starts, lambda: None, SearchClock())
    given = [tuple(guess.args[0].shape) for guess in found.guesses]
    assert found.ended
    assert not found.passed
    assert given[:3] == [(2, 8), (2, 5, 8), (2, 10, 8)]
    assert (2, 16) not in given


PERMUTED = """
from torch import nn

class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(7, 32, 3, padding=1, padding_mode="circular")

    def forward(self, x):
        return self.conv(x.permute(0, 2, 1)).transpose(1, 2)

class Net(nn.Module):
    def __init__(self, seq_len=48):
        super().__init__()
        self.seq_len = seq_len
        self.values = Embedding()
        self.ahead = nn.Linear(seq_len, 24)
        self.head = nn.Linear(32, 7)

    def forward(self, x, other):
        x = self.values(x - x.mean(1, keepdim=True))
        return self.head(self.ahead(x.permute(0, 2, 1)).permute(0, 2, 1))
"""


def test_sequences_whose_channels_come_last_for_a_part_that_permutes_them() -> None:
    graph = next(g for g in trace_source(PERMUTED) if g.ref.name == "Net")
    assert graph.ref.inputs.shapes[0] == (2, 48, 7)
    assert graph.trace.complete
    assert graph.trace.unfit is None


class PackedRows(nn.Module):
    """Attention among the rows of each sequence, which are packed into one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, hidden, cu_seqlens):
        sizes = (cu_seqlens[1:] - cu_seqlens[:-1]).tolist()
        parts = zip(*(t.split(sizes) for t in self.qkv(hidden).chunk(3, -1)), strict=True)
        mixed = [(q @ k.t()).softmax(-1) @ v for q, k, v in parts]
        return self.proj(torch.cat(mixed))


class PackedLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(16), PackedRows()

    def forward(self, hidden, cu_seqlens):
        return hidden + self.attention(hidden=self.norm(hidden), cu_seqlens=cu_seqlens)


@pytest.mark.parametrize("make", [PackedRows, PackedLayer])
def test_bounds_of_packed_sequences_are_numbers_that_fit_the_rows(
    make: type[nn.Module],
) -> None:
    graph = traced(make)
    assert graph.trace.complete
    assert graph.ref.inputs.shapes == ((2, 16), (2,))
