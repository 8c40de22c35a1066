"""The table of layers: what its rows mean, and that everything asked of it has an answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from torch import nn

import bnlint
from bnlint.domain.errors import ConfigError
from bnlint.layers.calls import Call
from bnlint.layers.of_calls import kind_of
from bnlint.layers.of_modules import module_facts
from bnlint.layers.table import (
    BY_ARGUMENTS,
    builtin_table,
    having,
    is_leaf,
    kinds,
    members,
    rank_of,
    read_table,
    tags,
)

ROWS = yaml.safe_load((Path(bnlint.__file__).parent / "layers/layers.yaml").read_text("utf-8"))
NAMING = {"is", "modules", "functions", "aten", "anywhere", "rank", "inactive"}
TRAITS = {"keeps", "sets", "reads", "needs", "ends", "acts", "facts", "within", "shown"}


def test_rows_have_known_columns_and_families_have_rows():
    for kind, row in ROWS.items():
        assert set(row) <= NAMING | TRAITS, kind
        assert set(builtin_table().rows[kind].families) <= set(ROWS), kind


def test_a_name_is_in_one_row():
    for column in ("modules", "functions", "aten", "anywhere"):
        named = [
            name
            for row in ROWS.values()
            for name in ([row[column]] if isinstance(row.get(column), str) else row.get(column, ()))
        ]
        assert len(named) == len(set(named)), column


def test_every_trait_is_asked_for_by_some_file():
    code = "".join(p.read_text("utf-8") for p in Path(bnlint.__file__).parent.rglob("*.py"))
    for row in builtin_table().rows.values():
        for column, words in row.traits.items():
            for word in words:
                asked = f'having("{column}", "{word}")' in code or (
                    column == "within" and f'through("{word}"' in code
                )
                assert asked, f"{column}: {word}"


def test_a_misspelled_trait_is_an_error():
    with pytest.raises(KeyError):
        having("keeps", "chanels")


def test_tags_are_closed_over_families():
    assert builtin_table().kind("convtranspose2d").tags == {
        "convtranspose2d", "conv", "transposed", "kernel"
    }  # fmt: skip
    assert builtin_table().kind("sigmoid").tags == {"sigmoid", "saturating", "activation"}


def test_the_tags_that_rules_may_name():
    assert kinds() == set(ROWS)
    assert tags() == kinds() | BY_ARGUMENTS
    assert not kinds() & BY_ARGUMENTS, "a user's layer cannot be one of these"


def test_the_families_of_norms():
    assert members("norm") == (
        "batchnorm", "instancenorm", "groupnorm", "layernorm", "rmsnorm", "localresponsenorm"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("module", "rank"),
    [(nn.Conv1d(1, 1, 1), 1), (nn.ConvTranspose3d(1, 1, 1), 3), (nn.BatchNorm2d(1), 2),
     (nn.Linear(1, 1), None)],
)  # fmt: skip
def test_ranks(module: nn.Module, rank: int | None) -> None:
    kind = builtin_table().of_module(module)
    assert kind is not None
    assert rank_of(kind.tags) == rank


@pytest.mark.parametrize("lazy", [nn.LazyConv2d(4, 1), nn.LazyLinear(4), nn.LazyBatchNorm1d()])
def test_lazy_layers_are_what_they_become(lazy: nn.Module) -> None:
    kind = builtin_table().of_module(lazy)
    assert kind is not None
    assert kind.name == type(lazy).__name__.removeprefix("Lazy").lower()
    assert module_facts(lazy, kind, builtin_table())["lazy"] is True


def test_containers_are_looked_into():
    assert not is_leaf(nn.Sequential(nn.ReLU()), builtin_table())
    assert is_leaf(nn.ReLU(), builtin_table())


def test_functions_methods_and_properties():
    table = builtin_table()

    def name(call: Call) -> str | None:
        kind = kind_of(call, table)
        return kind.name if kind else None

    assert name(Call("a", "relu_")) == "relu"
    assert name(Call("a", "__add__")) == "add"
    assert name(Call("a", getattr, (None, "T"))) == "transpose"
    assert name(Call("a", "native_layer_norm")) is None, "a name of exported graphs alone"


def test_rows_of_a_user_come_first():
    table = builtin_table().extended([("torch.nn.ReLU", "gelu"), ("mylib.gate", "sigmoid")])
    kind, gate = table.of_module(nn.ReLU()), table.of_function("gate", "mylib.gate")
    assert kind is not None
    assert kind.name == "gelu"
    assert gate is not None
    assert gate.name == "sigmoid"
    with pytest.raises(ConfigError, match="did you mean 'sigmoid'"):
        builtin_table().extended([("mylib.gate", "sigmoide")])


def test_a_table_is_read_from_rows():
    table = read_table({"a": {"is": ["b"], "functions": "f"}, "b": {"keeps": "rank"}})
    assert table.kind("a").tags == {"a", "b"}
    assert table.rows["b"].traits == {"keeps": ("rank",)}
    assert table.of_function("f_") == table.kind("a")


def test_the_room_is_imported_without_torch():
    code = (
        "import sys, pkgutil, importlib, bnlint.layers as room\n"
        "for m in pkgutil.walk_packages(room.__path__, 'bnlint.layers.'):\n"
        "    importlib.import_module(m.name)\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'yaml' not in sys.modules, 'the table is read when it is first asked'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
