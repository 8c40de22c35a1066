from __future__ import annotations

from dataclasses import replace

import pytest

from bnlint.graph.facts import UNKNOWN
from tests.unit.graph.test_facts import ask, line
from tests.unit.graphs import Builder


def behind(*steps: str, last: str, **facts) -> object:
    """Channels that arrive at ``last`` behind an 8-channel convolution and ``steps``."""
    net = line("input")
    net.add("conv2d", out_channels=8)
    net.chain(*steps)
    net.add(last, "end", **facts)
    return ask(net, "end", "channels-arriving")


@pytest.mark.parametrize(
    ("steps", "last", "expected"),
    [
        (("relu", "maxpool"), "batchnorm2d", 8),
        (("relu",), "linear", UNKNOWN),  # it reads the last axis, not the channels
        (("adaptiveavgpool2d", "flatten"), "linear", 8),
        (("adaptiveavgpool2d",), "conv2d", 8),  # squeeze and excite
        (("flatten",), "linear", UNKNOWN),
        (("layernorm",), "conv2d", 8),
    ],
)
def test_channels_stand_on_an_axis(steps, last, expected):
    assert behind(*steps, last=last) == expected


def test_features_of_a_linear_layer_stand_on_the_last_axis():
    net = line("input")
    net.add("linear", out_channels=6)
    net.chain("relu")
    net.add("batchnorm1d", "b", reads=(net.ops[-1].id,))
    net.add("conv1d", "c", reads=(net.ops[2].id,), kernel_size=(3,))
    net.add("linear", "fc", reads=(net.ops[2].id,))
    assert ask(net, "b", "channels-arriving") == 6
    assert ask(net, "c", "channels-arriving") is UNKNOWN
    assert ask(net, "fc", "channels-arriving") == 6


def test_a_gated_activation_halves_channels():
    net = line("input")
    net.add("conv2d", out_channels=8)
    net.add("relu", tags="gated")
    net.add("batchnorm2d", "b")
    assert ask(net, "b", "channels-arriving") is UNKNOWN


def test_a_norm_that_does_not_fit_is_the_one_at_fault():
    net = line("input")
    net.add("conv2d", out_channels=8)
    net.add("batchnorm2d", "b", channels=16)
    net.add("conv2d", "c", in_channels=8)
    assert ask(net, "b", "channels-arriving") == 8
    assert ask(net, "c", "channels-arriving") is UNKNOWN


def test_a_norm_that_fits_passes_channels_on():
    net = line("input")
    net.add("conv2d", out_channels=8)
    net.add("batchnorm2d", "b", channels=8)
    net.add("conv2d", "c", in_channels=8)
    assert ask(net, "c", "channels-arriving") == 8


def test_features_are_joined_along_the_last_axis():
    net = line("input:x")
    net.add("linear", "a", reads=("x",), out_channels=8)
    net.add("linear", "b", reads=("x",), out_channels=4)
    net.add("concat", reads=("a", "b"), dim=-1)
    net.add("linear", "end")
    assert ask(net, "end", "channels-arriving") == 12


def failing(net: Builder, layer: str) -> Builder:
    net.ops = [replace(op, error="refused") if op.id == layer else op for op in net.ops]
    return net


def test_what_follows_a_failure_is_misled_up_to_the_next_kernel():
    net = failing(line("conv2d", "batchnorm2d:b", "relu:r", "conv2d:c", "batchnorm2d:d"), "b")
    found = [name for name in "brcd" if ask(net, name, "misled")]
    assert found == ["r", "c"]


def test_a_kernel_that_fails_still_gives_its_own_channels():
    net = failing(line("conv2d", "conv2d:c", "batchnorm2d:d"), "c")
    assert ask(net, "d", "misled") is False


def test_ran():
    net = Builder()
    net.add("input", shape=(2, 3))
    net.add("linear", "a", shape=(2, 4))
    net.add("linear", "b")
    failing(net, "b")
    assert ask(net, "a", "ran") is True
    assert ask(net, "b", "ran") is False
    assert ask(line("input", "linear:a"), "a", "ran") is UNKNOWN


def norm(kind: str, types: str, shape: tuple[int, ...], **facts) -> object:
    net = Builder()
    net.add("input", shape=shape)
    net.add(kind, "b", shape=shape, **facts)
    net.ops[-1] = replace(net.ops[-1], types=(types,))
    return net


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 8), "BatchNorm1d"),
        ((2, 8, 5), "BatchNorm1d"),
        ((2, 8, 5, 5), "BatchNorm2d"),
        ((2, 8, 5, 5, 5), "BatchNorm3d"),
        ((8,), UNKNOWN),
    ],
)
def test_the_class_for_the_rank(shape, expected):
    net = norm("batchnorm2d", "torch.nn.modules.batchnorm.BatchNorm2d", shape)
    assert ask(net, "b", "class-for-rank") == expected


def test_the_class_for_the_rank_keeps_the_family_and_leaves_foreign_classes_alone():
    lazy = norm("batchnorm1d", "torch.nn.modules.batchnorm.LazyBatchNorm1d", (2, 8, 5, 5))
    foreign = norm("batchnorm1d", "net.MyNorm1d", (2, 8, 5, 5))
    assert ask(lazy, "b", "class-for-rank") == "LazyBatchNorm2d"
    assert ask(foreign, "b", "class-for-rank") is UNKNOWN


@pytest.mark.parametrize(
    ("momentum", "expected"), [(0.99, 0.01), (0.9, 0.1), (1.0, UNKNOWN), (None, UNKNOWN)]
)
def test_momentum_is_converted(momentum, expected):
    net = Builder()
    net.add("batchnorm2d", "b", momentum=momentum)
    assert ask(net, "b", "momentum-converted") == expected


@pytest.mark.parametrize(
    ("eps", "expected"),
    [(0.8, 0.2), (0.1, 0.1), (0.5, 0.5), (32, UNKNOWN), (1.0, UNKNOWN), (1e-5, UNKNOWN)],
)
def test_a_momentum_given_as_eps(eps, expected):
    net = Builder()
    net.add("batchnorm2d", "b", eps=eps)
    assert ask(net, "b", "momentum-meant") == expected


@pytest.mark.parametrize(
    ("kind", "rank", "expected"),
    [
        ("batchnorm1d", None, (2, 3)),
        ("batchnorm3d", None, (5,)),
        ("instancenorm", 2, (3, 4)),
        ("groupnorm", None, UNKNOWN),
    ],
)
def test_ranks_allowed(kind, rank, expected):
    net = Builder()
    net.add(
        kind,
        "b",
        tags="norm batchnorm" if "batch" in kind else f"norm {kind}",
        **({} if rank is None else {"rank": rank}),
    )
    assert ask(net, "b", "ranks-allowed") == expected


def test_the_argument_that_holds_the_channels():
    net = Builder()
    net.add("batchnorm2d", "b")
    net.add("groupnorm", "g", tags="groupnorm")
    assert ask(net, "b", "channels-argument") == "num_features"
    assert ask(net, "g", "channels-argument") == "num_channels"


@pytest.mark.parametrize("fact", ["custom", "alone"])
def test_attributes_prove_nothing_of(fact):
    net = line("input")
    net.add("conv2d", out_channels=8)
    net.add("batchnorm2d", "end", **{fact: True})
    assert ask(net, "end", "channels-arriving") is UNKNOWN


def test_a_kernel_with_a_forward_of_its_own_may_give_other_channels():
    net = line("input")
    net.add("conv2d", out_channels=8, custom=True)
    net.add("batchnorm2d", "end")
    assert ask(net, "end", "channels-arriving") is UNKNOWN


@pytest.mark.parametrize(
    ("shape", "allowed", "taken"),
    [
        ((2, 16, 50), (4,), True),
        ((16, 50, 50), (3, 4), False),
        ((16, 16, 50), (3, 4), False),
        ((2, 16, 50, 50), (3, 4), False),
        ((2, 50, 16), (3, 4), False),
    ],
)
def test_a_batch_that_an_instance_norm_takes_for_channels(shape, allowed, taken):
    net = Builder()
    net.add("input", shape=shape)
    net.add("instancenorm", "b", tags="norm", shape=shape, rank=2, channels=16)
    assert ask(net, "b", "batch-as-channels") is taken
    assert ask(net, "b", "ranks-allowed") == allowed
