"""What a forward does with unknown inputs is noticed where no input read from its source fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnlint.domain.graph import ModelGraph
from bnlint.models.guessing.guess import Guesses
from bnlint.models.guessing.inputs.asked import Asked
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.models.guessing.inputs.of_layers import Stated
from bnlint.models.guessing.inputs.of_use import values_of
from bnlint.models.reading.use import Use
from bnlint.tracing.model import trace_model
from bnlint.tracing.noticing import noticed_forward
from bnlint.tracing.noticing.noticed_part import NoticedPart
from bnlint.tracing.noticing.unknown_input import UnknownInput


def traced(make: Callable[[], nn.Module]) -> ModelGraph:
    model = make()
    return trace_model(model, inputs=Guesses(infer(model)))


class ComputedKeys(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wanted = ("pitch", "loudness")
        self.layers = nn.ModuleList(nn.Linear(size, 32) for size in (1, 12))
        self.out = nn.Linear(65, 10)

    def forward(self, batch: Any) -> Tensor:
        x = torch.cat([self.layers[i](batch[key]) for i, key in enumerate(self.wanted)], -1)
        return self.out(torch.cat([x, batch["time"]], -1))


def features_of(data: Any) -> tuple[Any, Any]:
    return data.features, data.coordinates


class Attributes(nn.Module):
    """A function reads the attributes, after the batch was moved to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(12, 32), nn.Linear(3, 32)

    def forward(self, data: Any) -> Tensor:
        data = data.to("cuda")
        features, coordinates = features_of(data)
        return self.a(features) + self.b(coordinates)


class _Unpacking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.LSTM(4, 32, batch_first=True)
        self.lane = nn.Linear(6, 32)

    def forward(self, x: Any) -> Tensor:
        x, lanes, doubled = x
        points, times = lanes
        steps, _ = self.steps(x)
        lane = self.lane(torch.cat([points, times], dim=-1)).mean(1)
        out = torch.cat([steps[:, -1], lane], -1)
        return out * 2 if doubled else out


class UnpackedInAPart(nn.Module):
    """The part that unpacks its input is all that the forward names."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = _Unpacking()

    def forward(self, x: Any) -> Tensor:
        out: Tensor = self.inner(x)
        return out


class ListOfMaps(nn.Module):
    """As many maps as there are settings, which only a loop over those says."""

    def __init__(self) -> None:
        super().__init__()
        self.places = [0, 1, 2, 3]
        self.layers = nn.ModuleList(nn.Conv2d(8, 4, 1) for _ in self.places)

    def forward(self, maps: Any) -> list[Tensor]:
        return [layer(maps[place]) for place, layer in zip(self.places, self.layers, strict=True)]


class OptionalLengths(nn.Module):
    """Training needs what is None by default."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.out = nn.Linear(16, 4)

    def forward(self, words: Tensor, decode_lengths: Any = None) -> Tensor:
        longest = max(decode_lengths)
        x = self.words(words)
        return self.out(x) / longest


WHOLE: dict[type[nn.Module], tuple[tuple[int, ...], ...]] = {
    ComputedKeys: ((2, 16, 1), (2, 16, 12), (2, 16, 32)),
    Attributes: ((2, 12), (2, 3)),
    UnpackedInAPart: ((2, 16, 4), (2, 16, 3), (2, 16, 3)),
}


@pytest.mark.parametrize("make", [*WHOLE, ListOfMaps, OptionalLengths])
def test_a_forward_is_traced_with_inputs_that_were_noticed(make: type[nn.Module]) -> None:
    graph = traced(make)
    assert graph.trace.complete
    assert graph.trace.unfit is None
    assert graph.ref.inputs.source == "inferred"
    assert [op.layer for op in graph.ops if op.error] == []
    assert [op.layer for op in graph.ops if op.kind != "output" and None in op.outputs] == []


def test_nothing_is_noticed_where_a_guess_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise AssertionError("a forward ran on unknown inputs")

    monkeypatch.setattr(noticed_forward._Noticing, "run", fail)
    graph = traced(lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.BatchNorm1d(8)))
    assert graph.trace.complete


class Broken(nn.Module):
    """It asks a layer for what that lacks, whatever the input holds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(16)

    def forward(self, batch: Any) -> Tensor:
        out: Tensor = self.norm(self.conv(batch[("image", 0)]))
        return out


def test_a_fault_beside_noticed_inputs_is_still_one() -> None:
    graph = traced(Broken)
    assert [op.layer for op in graph.ops if op.error] == ["norm"]
    assert graph.ref.inputs.shapes == ((2, 3, 224, 224),)


def unknown(name: str = "x") -> tuple[Any, Use]:
    use = Use()

    def inner(asked: Asked) -> Any:
        return UnknownInput(NoticedPart(asked, values, inner))

    def values(asked: Asked) -> list[Any]:
        return values_of(asked, nn.Identity(), Stated())

    return inner(Asked(name, use)), use


def test_shapes_that_are_unpacked_tell_the_rank() -> None:
    x, use = unknown()
    _b, _t, _c = x.shape
    assert (use.tensor, use.rank) == (True, 3)
    x, use = unknown()
    _b, _c, _d, _h, _w = x.size()
    assert (use.tensor, use.rank) == (True, 5)


def test_items_attributes_words_and_numbers_are_noticed() -> None:
    x, use = unknown()
    first, (second, third) = x
    assert (use.length, use.items[1].length) == (2, 2)
    assert len(first.boxes.corners["left"]) == 2
    assert use.items[0].attributes["boxes"].attributes["corners"].keys == ["left"]
    second == "train"  # noqa: B015
    assert use.items[1].items[0].literals == ["train"]
    assert list(range(third)) == [0, 1]
    assert use.items[1].items[1].counts


def test_what_a_forward_sets_itself_is_no_input() -> None:
    x, use = unknown()
    x["mask"], x.hidden = 3, 4
    assert (x["mask"], x.hidden) == (3, 4)
    assert "mask" in x
    assert "other" not in x
    assert (use.keys, use.attributes, use.literals) == ([], {}, ["other"])
