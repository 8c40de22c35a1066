"""Names that libraries have moved, and those of a single process."""

from __future__ import annotations

import collections.abc
import math
import sys
from types import ModuleType

import pytest
from torch import nn

from bnlint.loading.missing.moved import moved
from bnlint.loading.missing.stubs import Stub, Stubs, StubUsed


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A release of timm that keeps its layers where newer ones do."""
    for name in ("timm", "timm.layers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    layers = sys.modules["timm.layers"]
    vars(layers)["to_2tuple"] = lambda size: (size, size)
    return layers


def test_a_name_is_taken_from_where_it_is_now(library: ModuleType) -> None:
    assert moved("timm.models.layers.helpers", "to_2tuple") is vars(library)["to_2tuple"]
    assert moved("timm.models.layers", "of_no_release") is None
    assert moved("of_nobody.models.layers", "to_2tuple") is None


def test_names_that_are_gone_stand_for_what_they_stood_for() -> None:
    assert moved("torch._six", "container_abcs") is collections.abc
    assert moved("torch._six", "inf") == math.inf
    assert moved("transformers.modeling_bert", "BertLayerNorm") is nn.LayerNorm


def test_what_an_operator_is_missing_for_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise ModuleNotFoundError(name) from RuntimeError("operator one::two does not exist")

    monkeypatch.setitem(sys.modules, "transformers", Lazy("transformers"))
    with pytest.raises(ModuleNotFoundError):
        moved("pytorch_transformers", "BertModel")


def test_stubs_say_which_packages_lack_nothing() -> None:
    stubs = Stubs()
    stubs.add("easydict_of_nobody")
    stubs.add("mpi4py")
    try:
        from easydict_of_nobody import Thing  # type: ignore[import-not-found]
        from mpi4py import MPI  # type: ignore[import-not-found]

        assert isinstance(Thing, Stub)
        assert MPI.COMM_WORLD.Get_rank() == 0
        assert MPI.COMM_WORLD.bcast("host", root=0) == "host"
        assert (stubs.replaced, stubs.lacking) == ({"mpi4py"}, {"easydict_of_nobody"})
    finally:
        stubs.close()


def test_no_layer_is_built_with_a_size_that_a_stub_stands_for() -> None:
    stubs = Stubs()
    stubs.add("helpers_of_nobody")
    try:
        from helpers_of_nobody import to_2tuple  # type: ignore[import-not-found]

        for size in (to_2tuple(3), (3, to_2tuple(3))):
            with pytest.raises(StubUsed, match=r"helpers_of_nobody\.to_2tuple"):
                nn.Conv2d(3, 8, kernel_size=3, padding=size)
    finally:
        stubs.close()
