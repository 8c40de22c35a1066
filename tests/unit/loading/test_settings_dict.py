"""Settings objects of packages that are not installed."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bnlint.loading.missing.settings_dict import SETTINGS, GrowingDict, OmegaConf, SettingsDict
from bnlint.loading.missing.stubs import Stubs


@pytest.mark.parametrize(
    "line",
    [
        "from easydict import EasyDict as Made",
        "from yacs.config import CfgNode as Made",
        "import munch\nMade = munch.Munch",
    ],
)
def test_a_missing_package_offers_them(line: str) -> None:
    stubs, names = Stubs(), {}
    for package in {package for package, _ in SETTINGS}:
        stubs.add(package)
    try:
        exec(line, names)
    finally:
        stubs.close()
    assert names["Made"] is SettingsDict


def test_entries_are_attributes_at_any_depth() -> None:
    made: Any = SettingsDict(
        {"model": {"width": 3, "parts": [{"depth": 2}]}}, seed=1, box_dots=True
    )
    made.model.heads = 4
    made.extra = {"a": 5}
    assert (made.model.width, made["model"]["heads"], made.seed, made.extra.a) == (3, 4, 1, 5)
    assert made.model.parts[0].depth == 2
    assert "box_dots" not in made
    with pytest.raises(AttributeError):
        _ = made.nothing
    other = copy.deepcopy(made)
    other.model.width = 9
    assert (made.model.width, made.clone().model.width) == (3, 3)
    assert type(made.to_dict()["model"]) is dict


def test_settings_are_merged_from_files_and_lists(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text("MODEL: {DEPTH: 18}\nNAME: net\n")
    made: Any = SettingsDict()
    made.MODEL = SettingsDict()
    made.MODEL.WIDTH, made.MODEL.DEPTH = 8, 50
    made.merge_from_file(str(file))
    made.merge_from_list(["MODEL.WIDTH", "16", "TEST.SIZE", 4])
    made.freeze()
    assert made.to_dict() == {
        "MODEL": {"WIDTH": 16, "DEPTH": 18},
        "NAME": "net",
        "TEST": {"SIZE": 4},
    }


def test_a_growing_dict_has_all_names() -> None:
    made: Any = GrowingDict()
    made.model.backbone.depth = 18
    assert made == {"model": {"backbone": {"depth": 18}}}


def test_settings_of_omegaconf(tmp_path: Path) -> None:
    @dataclass
    class Defaults:
        width: int = 8
        depth: int = 2

    file = tmp_path / "net.yaml"
    file.write_text("depth: 3\n")
    made = OmegaConf.merge(
        OmegaConf.structured(Defaults), OmegaConf.load(file), OmegaConf.from_dotlist(["a.b=4"])
    )
    assert OmegaConf.to_container(made) == {"width": 8, "depth": 3, "a": {"b": 4}}
    assert OmegaConf.create("a: [1, {b: 2}]").a[1].b == 2
    assert OmegaConf.is_config(made)
