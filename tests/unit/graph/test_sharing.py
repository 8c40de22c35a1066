from __future__ import annotations

from dataclasses import replace

import pytest

from bnlint.domain.graph import ModuleInfo
from bnlint.graph.facts import UNKNOWN
from tests.unit.graph.test_facts import ask, facts_of, line
from tests.unit.graphs import Builder


def called_twice(*, other_kernel: bool) -> Builder:
    """A norm behind one convolution, and again behind the same or another one."""
    net = line("input:x", "input:y")
    for n, source in enumerate(("x", "y")):
        conv = "conv2" if other_kernel and n else "conv"
        net.add("conv2d", f"{conv}#{n}", module=conv, reads=(source,))
        net.add("relu", f"r{n}")
        net.add("batchnorm2d", f"bn#{n}", module="bn", call_index=n, calls=2)
    net.ops = [replace(op, layer=op.module) if "#" in op.id else op for op in net.ops]
    return net


def test_a_trunk_for_two_inputs_shares_its_kernels_too():
    assert ask(called_twice(other_kernel=False), "bn#0", "same-producers") is True


def test_a_norm_behind_two_kernels():
    assert ask(called_twice(other_kernel=True), "bn#1", "same-producers") is False


@pytest.mark.parametrize(("in_a_row", "expected"), [(True, True), (False, False)])
def test_chained(in_a_row, expected):
    net = line("input:x")
    net.add("linear", "a", module="body.0", call_index=0, calls=2)
    net.add("relu", "r")
    reads = ("r",) if in_a_row else ("x",)
    net.add("linear", "b", module="body.0", call_index=1, calls=2, reads=reads)
    info = ModuleInfo("body.0", "linear", frozenset(("kernel",)), ("torch.nn.Linear",))
    assert facts_of(net).module(info, "chained") is expected


def part(path: str, tags: str = "", types: str = "net.Block", **fields) -> ModuleInfo:
    known = {"calls": 0, "eval_calls": 0, **fields}
    return ModuleInfo(path, "other", frozenset(tags.split()), (types,), **known)


def tree(*parts: ModuleInfo) -> Builder:
    net = line("input", "output")
    net.modules = list(parts)
    return net


def of(net: Builder, path: str, fact: str):
    facts = facts_of(net)
    (info,) = (m for m in net.modules if m.path == path)
    return facts.module(info, fact)


TREE = tree(
    part(""),
    part("body", types="torch.nn.modules.container.ModuleList"),
    part("body.0", calls=1),
    part("body.0.conv", "kernel", calls=1, parameters=9),
    part("body.1"),
    part("body.1.conv", "kernel", parameters=9),
    part("body.1.bn", "norm", parameters=2),
    part("mha", types="torch.nn.modules.activation.MultiheadAttention", calls=1, leaf=True),
    part("mha.out_proj", "kernel"),
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("body", True),  # by what it holds: a list is never called
        ("body.0", True),
        ("body.1", False),
        ("body.1.conv", False),
        ("mha.out_proj", UNKNOWN),  # the attention reads its weight itself
    ],
)
def test_used(path, expected):
    assert of(TREE, path, "used") is expected


def test_owner_called():
    assert of(TREE, "body.1", "owner-called") is True  # its owner is the model, not the list
    assert of(TREE, "body.1.conv", "owner-called") is False
    assert of(TREE, "body.0.conv", "owner-called") is True


def test_sizes_of_a_part():
    assert of(TREE, "body", "layers") == 3
    assert of(TREE, "body.1", "layers") == 2
    assert of(TREE, "body.1", "learned") == 11


def test_an_alias_in_use_is_use():
    net = tree(part("a", aliases=("list.0",), calls=1, parameters=4), part("list"), part("spare"))
    assert of(net, "list", "used") is True
    assert of(net, "spare", "used") is False


def test_an_activation_object_that_stands_everywhere_is_no_use_of_its_holders():
    net = tree(part("a.act", aliases=("b.act",), calls=1), part("a", calls=1), part("b"))
    assert of(net, "b", "used") is False


def test_registered_and_held():
    net = tree(part("a"), part("b[0]", facts={"registered": False, "held": "list"}))
    assert of(net, "a", "registered") is True
    assert of(net, "a", "held") is None
    assert of(net, "b[0]", "registered") is False
    assert of(net, "b[0]", "held") == "list"


@pytest.mark.parametrize(("grad", "expected"), [(True, True), (False, False)])
def test_a_model_trains_when_a_gradient_returns_to_some_kernel(grad, expected):
    net = line("input")
    net.add("linear", "a", grad=grad)
    net.add("output")
    assert facts_of(net).model("trains") is expected


def test_next_of_calls_looks_at_all_calls_and_through_pools():
    net = line("input:x")
    net.add("conv2d", "conv#0", module="conv", reads=("x",))
    net.chain("maxpool")
    net.add("batchnorm2d", "bn")
    net.add("conv2d", "conv#1", module="conv")
    net.ops = [replace(op, layer=op.module) if "#" in op.id else op for op in net.ops]
    assert ask(net, "conv#0", "next-of-calls") == ("batchnorm", "batchnorm2d", "norm")
    net.add("relu", "r", reads=("conv#1",))
    assert ask(net, "conv#0", "next-of-calls") == ()


@pytest.mark.parametrize(
    ("kind", "padding", "expected"),
    [("avgpool", 1, True), ("avgpool", (0, 1), True), ("avgpool", 0, False), ("maxpool", 1, False)],
)
def test_padded_behind(kind, padding, expected):
    net = line("input", "conv2d")
    net.add(kind, padding=padding, tags="pooling")
    net.add("batchnorm2d", "bn")
    assert ask(net, "bn", "padded-behind") is expected


def test_a_repeated_object_is_known_by_its_layers():
    net = line("input")
    net.add("batchnorm2d", "body.0.bn")
    net.add("batchnorm2d", "bn")
    net.modules = [
        part("body", types="torch.nn.modules.container.Sequential"),
        part("body.0", aliases=("body.1",)),
        part("body.0.bn", "norm"),
    ]
    assert ask(net, "body.0.bn", "repeated-object") is True
    assert ask(net, "bn", "repeated-object") is False


@pytest.mark.parametrize(
    ("guessed", "types", "expected"),
    [
        (("coder",), "net.Coder", UNKNOWN),
        (("width",), "net.Coder", False),
        (("coder",), "torch.nn.Sequential", False),
    ],
)
def test_a_model_guessed_for_an_argument_may_be_used_in_part(guessed, types, expected):
    net = tree(
        part("coder", types=types, calls=1), part("coder.decode", calls=1), part("coder.code")
    )
    net.ref = replace(net.ref, guessed=guessed)
    assert of(net, "coder.code", "used") is expected
