from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from torch import nn

from bnlint.loading.parsing import Source, read
from bnlint.models.guessing.arguments.guessed_settings import GuessedSettings
from bnlint.models.guessing.arguments.knowledge import Knowledge, Lacking
from bnlint.models.guessing.arguments.of_constructor import CallEvidence, find_calls
from bnlint.models.guessing.arguments.of_parameters import fill
from bnlint.models.guessing.guess import Guess, Origin
from bnlint.models.lexicon import PROFILES, WIDTH
from bnlint.models.survey import maker_of

IMAGE, BLOCK, WIDENING = PROFILES


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclass
class Settings:
    depth: int = 3


class BasicBlock(nn.Module):
    pass


def guess(name: str, hint: Any = inspect.Parameter.empty, profile: Any = IMAGE) -> Any:
    parameter = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=hint)
    names = {"BasicBlock": BasicBlock, "Optional": typing.Optional}
    filled = fill((parameter,), Knowledge(profile, names, {}))
    return filled.parameter if isinstance(filled, Lacking) else filled[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("in_channels", 3),
        ("inplanes", 3),
        ("in_ch", 3),
        ("c1", 3),
        ("out_channels", WIDTH),
        ("planes", WIDTH),
        ("oup", WIDTH),
        ("num_classes", 10),
        ("n_class", 10),
        ("numClasses", 10),
        ("N_CLASSES", 10),
        ("inChannels", 3),
        ("nModules", 2),
        ("recursive", 2),
        ("vocab_size", 100),
        ("n_heads", 4),
        ("kernel_size", 3),
        ("tile_size", 4),
        ("local_window_size", 4),
        ("stride", 1),
        ("max_freq", 4),
        ("cls_depth", 2),
        ("dropout", 0.1),
        ("attn_drop_rate", 0.1),
        ("hidden_dim", WIDTH),
        ("d_model", WIDTH),
        ("embed_dim", WIDTH),
        ("image_size", 32),
        ("latent_dim", 100),
        ("num_layers", 2),
        ("layers", (2, 2, 2, 2)),
        ("norm_layer", nn.BatchNorm2d),
        ("act_layer", nn.ReLU),
        ("block", BasicBlock),
        ("use_bias", False),
    ],
)
def test_names_say_what_will_do(name: str, value: Any) -> None:
    assert guess(name) == value


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 2),
        (list[int], [2, 2, 2, 2]),
        ("list[int]", [2, 2, 2, 2]),
        ("tuple[int, ...]", (2, 2, 2, 2)),
        ("int | None", 2),
        ("Optional[int]", 2),
    ],
)
def test_annotations_give_a_number_its_form(hint: Any, value: Any) -> None:
    assert guess("layers", hint) == value


def test_annotations_alone() -> None:
    assert guess("zorp", Mode) is Mode.FAST
    assert guess("zorp", Literal["b", "a"]) == "b"
    assert guess("zorp", Settings) == Settings()
    assert guess("zorp", "str | None") is None
    assert guess("zorp", bool) is False
    assert guess("zorp_layer", Callable[..., nn.Module]) == "zorp_layer"
    assert guess("norm", type[nn.Module]) is nn.BatchNorm2d


@pytest.mark.parametrize(
    ("name", "value"),
    [("activation", "relu"), ("act_type", "relu"), ("norm_name", "batch"), ("zorp", "")],
)
def test_words_for_names_that_want_one(name: str, value: str) -> None:
    assert guess(name, str) == value


def test_nothing_is_known_of_a_strange_name() -> None:
    assert guess("zorp") == "zorp"


def test_channels_go_together() -> None:
    assert (guess("inplanes", profile=BLOCK), guess("planes", profile=BLOCK)) == (WIDTH, WIDTH)
    assert guess("planes", profile=WIDENING) == 2 * WIDTH
    assert guess("layers", profile=BLOCK) == 2


def test_a_settings_object_answers_by_name() -> None:
    config = guess("cfg")
    assert isinstance(config, GuessedSettings)
    assert config.hidden_size == config["hidden_size"] == WIDTH
    assert config.get("stride", 4) == 4
    assert config.get("stride") == 1
    with pytest.raises(AttributeError, match="zorp"):
        _ = config.zorp
    with pytest.raises(KeyError):
        config["zorp"]


def test_a_value_that_is_shown_over_lines_is_named_by_its_class() -> None:
    class Config:
        def __repr__(self) -> str:
            return "Config {\n  width: 8\n}"

    call = Guess((Config(),), {"depth": 2}, Origin.GUESSED)
    assert call.written("Net") == "Net(Config(...), depth=2)"


def test_calls_say_where_their_arguments_come_from() -> None:
    text = "class Net:\n    def __init__(self, width, stride): ...\n\nnet = Net(width=8)\n"
    source = read("/nowhere/net.py", text)
    assert isinstance(source, Source)
    names: dict[str, Any] = {}
    exec(text.replace("net = Net(width=8)", ""), names)
    found, *guessed = find_calls(maker_of(names["Net"], "Net", source), CallEvidence(source, names))
    assert isinstance(found, Guess)
    assert found.written("Net") == "Net(width=8, stride=1)"
    assert found.origin is Origin.FOUND
    assert found.guessed == ("stride",)
    assert found.place is not None
    assert found.place.line == 4
    assert [g.origin for g in guessed if isinstance(g, Guess)] == [Origin.GUESSED] * len(guessed)
