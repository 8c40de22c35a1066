"""Layers are named by path and class, functions by the line that calls them."""

from __future__ import annotations

from dataclasses import replace

from bnlint.domain.graph import Location, ModelRef
from bnlint.domain.naming import described, quoted
from tests.unit.graphs import Builder

REF = ModelRef("net.py", "Net", "class")


def test_a_layer_is_named_with_its_class_once() -> None:
    net = Builder()
    net.add("batchnorm2d", "features.5")
    (op,) = net.ops
    op = replace(op, types=("torch.nn.modules.batchnorm.BatchNorm2d", "torch.nn.Module"))
    assert described(op, REF) == "`features.5` (BatchNorm2d)"
    assert described(op, REF, again=True) == "`features.5`"


def test_a_bare_index_follows_the_name_of_the_model() -> None:
    assert quoted("0", "net") == "`net.0`"
    assert quoted("fc", "net") == "`fc`"


def test_a_function_is_named_by_its_line() -> None:
    net = Builder()
    net.add("relu", "layer1.relu()#2")
    (op,) = net.ops
    here = replace(op, call=Location("net.py", 22), construction=None)
    assert described(here, REF) == "the relu at line 22"
    elsewhere = replace(op, call=Location("lib/blocks.py", 7), construction=None)
    assert described(elsewhere, REF) == "the relu at blocks.py:7"
    unknown = replace(op, call=None, construction=None)
    assert described(unknown, REF) == "`layer1` -> relu"


def test_inputs_have_no_class() -> None:
    net = Builder()
    net.add("input", "x")
    assert described(net.ops[0], REF) == "`x`"
