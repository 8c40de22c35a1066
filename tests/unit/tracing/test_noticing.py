"""What a forward does with unknown inputs is noticed where no input read from its source fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor, nn

from bnlint.domain.graph import ModelGraph
from bnlint.engine.catalogue import built_in_files, load_rules
from bnlint.engine.check import check_graph
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
from tests.unit.tracing.noticed_models import MODELS, WHOLE, ChosenByNumber, ChosenByWord, Table


def traced(make: Callable[[], nn.Module]) -> ModelGraph:
    model = make()
    return trace_model(model, inputs=Guesses(infer(model)))


@pytest.mark.parametrize("make", MODELS)
def test_a_forward_is_traced_with_inputs_that_were_noticed(make: type[nn.Module]) -> None:
    graph = traced(make)
    assert graph.trace.complete
    assert graph.trace.unfit is None
    assert graph.ref.inputs.source == "inferred"
    assert [op.layer for op in graph.ops if op.error] == []
    assert [op.layer for op in graph.ops if op.kind != "output" and None in op.outputs] == []
    if make in WHOLE:
        assert graph.ref.inputs.shapes == WHOLE[make]


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


@pytest.mark.parametrize("make", [ChosenByWord, ChosenByNumber])
def test_layers_that_an_input_chooses_among_are_not_reported_as_unused(
    make: type[nn.Module],
) -> None:
    rules = [rule for rule in load_rules(built_in_files()) if rule.id == "BN402"]
    assert check_graph(traced(make), rules).findings == ()


def test_ranks_of_guessed_parts_that_do_not_fit_are_no_fault() -> None:
    rules = [rule for rule in load_rules(built_in_files()) if rule.id in ("BN205", "BN206")]
    assert check_graph(traced(Table), rules).findings == ()


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
