"""Guessed arguments of a constructor that do not fit together are replaced by others that do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bnlint.domain.graph import ModelGraph
from bnlint.models.guessing.arguments.knowledge import Part
from bnlint.models.guessing.arguments.refitting import alternatives
from bnlint.models.guessing.arguments.switches import switched
from bnlint.models.guessing.guess import Guess
from tests.unit.models.test_discovery import net, records, records_of

HIDDEN = """
class Tagger(nn.Module):
    def __init__(self, embed, units, rows):
        super().__init__()
        self.table = nn.Embedding(1000, embed)
        self.rnn = nn.GRU(embed, units, batch_first=True, bidirectional=True)
        self.head = nn.Linear(rows, 10)

    def forward(self, words):
        steps, _ = self.rnn(self.table(words))
        return self.head(steps[:, -1])
"""
CLIPS = """
class Clips(nn.Module):
    def __init__(self, clips, planes):
        super().__init__()
        self.clips = clips
        self.conv = nn.Conv2d(3, planes, 3, padding=1)
        self.bn = nn.BatchNorm2d(planes)

    def forward(self, x):
        y = self.bn(self.conv(x))
        n, c, h, w = y.shape
        return y.view(n // self.clips, self.clips, c, h, w).mean(1)
"""
PICKED = """
class Picked(nn.Module):
    def __init__(self, widths, level):
        super().__init__()
        self.level = level
        pairs = zip([3, *widths], widths)
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 3) for a, b in pairs)

    def forward(self, x):
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[self.level]
"""
UNFOLDED = """
class Unfolded(nn.Module):
    def __init__(self, upscale, planes):
        super().__init__()
        self.conv = nn.Conv2d(3, planes, 3, padding=1)
        self.up = nn.PixelShuffle(upscale)
        self.last = nn.Conv2d(20, 3, 3)

    def forward(self, x):
        return self.last(self.up(self.conv(x)))
"""
STRIDED = """
class Strided(nn.Module):
    def __init__(self, input_shape):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(input_shape[0], 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(),
            nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
        )
        _, height, width = input_shape
        height, width = ((((side - 8) // 4 + 1) - 4) // 2 - 1 for side in (height, width))
        self.head = nn.Sequential(nn.Linear(64 * max(height, 0) * max(width, 0), 16), nn.ReLU())

    def forward(self, x):
        return self.head(self.body(x))
"""
SWITCHED = """
from torch import nn

class Config:
    def __init__(self):
        self.width, self.use_words, self.mode = 16, False, "none"

class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.use_words:
            self.words = nn.Linear(config.width, config.width)
        if config.mode == "full":
            self.rest = nn.Linear(config.width, 4)

    def forward(self, x):
        return self.rest(self.words(x))

class Switched(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.first = nn.Linear(3, config.width)
        self.block = Block(config)

    def forward(self, x):
        return self.block(self.first(x))
"""


@pytest.mark.parametrize("code", [HIDDEN, CLIPS, PICKED, UNFOLDED, STRIDED])
def test_guessed_arguments_are_changed_until_the_forward_runs(code: str) -> None:
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.trace.complete
    assert graph.trace.unfit is None
    assert graph.ref.guessed
    assert all(op.outputs for op in graph.ops if op.kind != "output")


class Some(nn.Module):
    """Sets each attribute under some condition."""

    def __init__(self, size=None, plain=True, kind="slim", count=0, with_text=False):
        super().__init__()
        self.config = with_text
        if size is not None:
            self.sized = 1
        if not plain:
            self.rich = 1
        if kind == "wide" and plain:
            self.wide = 1
        if count > 0:
            self.counted = 1
        if self.config or with_text:
            self.text = 1
        else:
            self.bare = 1


@pytest.mark.parametrize(
    ("missing", "given", "wanted"),
    [
        ("sized", {"size": None}, {"size": 64}),
        ("rich", {"plain": True}, {"plain": False}),
        ("wide", {"kind": "slim"}, {"kind": "wide"}),
        ("counted", {"count": 0}, {"count": 1}),
        ("text", {"with_text": False}, {"with_text": True}),
        ("bare", {"with_text": True}, {"with_text": False}),
        ("bare", {"with_text": False}, None),
        ("other", {"with_text": False}, None),
    ],
)
def test_a_setting_is_changed_so_that_an_attribute_is_set(missing, given, wanted) -> None:
    said = f"'Some' object has no attribute '{missing}'"
    found = next(switched(Guess((), given), (), Some(**given), said), None)
    assert (found.kwargs if found else None) == wanted
    assert found is None or found.guessed == tuple(given)


def test_arguments_by_place_have_the_names_of_parameters() -> None:
    said = "'Some' object has no attribute 'rich'"
    (found,) = switched(Guess((None, True)), ["size", "plain"], Some(None, True), said)
    assert found.kwargs == {"size": None, "plain": False}


def test_a_model_is_built_with_the_setting_that_its_forward_wants(tmp_path) -> None:
    file = tmp_path / "net.py"
    file.write_text(SWITCHED)
    (graph,) = records_of(file)
    assert isinstance(graph, ModelGraph)
    assert graph.trace.complete
    assert [op.layer for op in graph.ops if op.kind == "linear"] == [
        "first", "block.words", "block.rest"
    ]  # fmt: skip


def test_an_attribute_that_nothing_sets_says_nothing_of_settings() -> None:
    said = "'Linear' object has no attribute 'head'"
    assert [*switched(Guess((1, 1)), ["a", "b"], nn.Linear(1, 1), said)] == []


def test_a_fault_of_the_model_stays_unexplained() -> None:
    code = net("Net", "width", "nn.Sequential(nn.Linear(width, 30), nn.Linear(40, 2))")
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.trace.unfit is not None
    assert "30" in graph.trace.unfit.reason


def values(guess: Guess, conflict: tuple[int, int] | None, name: str) -> list[object]:
    return [g.kwargs[name] for g in alternatives(guess, conflict) if g.kwargs != guess.kwargs]


def test_the_numbers_of_the_error_come_first() -> None:
    guess = Guess((), {"a": 64}, guessed=("a",))
    assert values(guess, (64, 48), "a")[0] == 48
    assert values(guess, (48, 64), "a")[0] == 48
    assert values(guess, (128, 96), "a")[0] == 48  # 128 is twice the argument
    assert values(guess, (32, 20), "a")[0] == 40  # and 32 half of it


def test_an_error_without_numbers_and_one_about_an_empty_tensor_say_nothing() -> None:
    guess = Guess((), {"a": 64}, guessed=("a",))
    assert values(guess, None, "a") == values(guess, (0, 64), "a")


def test_only_guessed_arguments_are_changed() -> None:
    guess = Guess((3,), {"a": 64, "b": 64}, guessed=("b",))
    assert {g.kwargs["a"] for g in alternatives(guess, (64, 48))} == {64}
    assert {g.args for g in alternatives(guess, (64, 48))} == {(3,)}


def test_arguments_of_parts_and_sizes_of_tensors_are_changed() -> None:
    part = Part(torch.nn.Linear, {"in_features": 64, "out_features": 8})
    guess = Guess((), {"body": part}, guessed=("body",))
    first = next(alternatives(guess, (64, 48)))
    assert first.kwargs["body"].arguments == {"in_features": 48, "out_features": 8}
    table = Guess((), {"table": torch.empty(100, 64)}, guessed=("table",))
    assert next(alternatives(table, (64, 48))).kwargs["table"].shape == (100, 48)


def test_lists_get_other_entries_and_other_lengths() -> None:
    guess = Guess((), {"widths": [8, 8]}, guessed=("widths",))
    tried = values(guess, (8, 6), "widths")
    assert tried[:3] == [[6, 8], [8, 6], [6, 6]]
    assert [8] in tried
    assert [8, 8, 8] in tried
