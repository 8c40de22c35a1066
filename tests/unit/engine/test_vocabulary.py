from __future__ import annotations

from pathlib import Path

import yaml

import bnlint
from bnlint.engine.vocabulary import did_you_mean
from bnlint.layers.tags import KINDS, TAGS

LAYERS = Path(bnlint.__file__).parent / "layers" / "layers.yaml"


def test_the_tags_are_those_of_the_table_of_layers():
    kinds = yaml.safe_load(LAYERS.read_text(encoding="utf-8"))["kinds"]
    table = {*kinds, *(family for families in kinds.values() for family in families)}
    assert table == KINDS
    assert set(kinds) == KINDS, "a user's layer can be any of these"


def test_did_you_mean():
    assert did_you_mean("kernle", TAGS) == "did you mean 'kernel'?"
    assert did_you_mean("zzz", ("a", "b")) == "known: a, b"
    assert did_you_mean("zzz", TAGS) == ""
