from __future__ import annotations

from dataclasses import replace

import pytest

from bnlint.domain.graph import ModuleInfo
from bnlint.graph.facts import MODEL_FACTS, MODULE_FACTS, OP_FACTS, OWN_FACTS, UNKNOWN, Facts
from bnlint.graph.view import View
from tests.unit.graphs import Builder


def facts_of(net: Builder, source: str = "none") -> Facts:
    return Facts(View(net.build(source)))


def ask(net: Builder, layer: str, name: str):
    facts = facts_of(net)
    return facts.op(facts.view.op(layer), name)


def line(*steps: str) -> Builder:
    """A chain of ``kind`` or ``kind:layer``."""
    net = Builder()
    for step in steps:
        kind, _, layer = step.partition(":")
        net.add(kind, layer)
    return net


def test_every_fact_answers_on_every_kind_of_op():
    net = line("input", "conv2d", "batchnorm2d", "relu", "maxpool", "flatten", "linear", "output")
    net.add("other", "alone", reads=())
    facts = facts_of(net)
    for op in facts.view.ops:
        for name in OP_FACTS:
            assert facts.op(op, name) is UNKNOWN or isinstance(
                facts.op(op, name), (bool, int, float, str, tuple, type(None))
            )
    for name in MODEL_FACTS:
        facts.model(name)


def test_facts_have_a_meaning_and_a_name_of_their_own():
    for table in (OP_FACTS, MODULE_FACTS, MODEL_FACTS):
        assert all(f.meaning for f in table.values())
    assert set(OP_FACTS) & set(OWN_FACTS) <= {"class", "channels-last"}


def test_own_facts_win():
    net = Builder()
    net.add("conv2d", "c", users=7, bias=True)
    assert ask(net, "c", "users") == 7
    assert ask(net, "c", "bias") is True
    assert ask(net, "c", "groups") is UNKNOWN


def test_users_count_readers_and_the_output():
    net = line("input:x", "conv2d:c", "relu:r", "output:o")
    net.add("add", "a", reads=("c", "c"))
    assert ask(net, "c", "users") == 2
    assert ask(net, "r", "users") == 1
    assert ask(net, "r", "input-users") == 2
    assert ask(net, "x", "input-users") is UNKNOWN


def test_neighbours_look_through_passthrough_only():
    net = line("input", "conv2d:c", "identity", "batchnorm2d:b", "flatten", "relu:r", "output")
    assert ask(net, "c", "next") == ("batchnorm", "batchnorm2d", "norm")
    assert ask(net, "b", "previous") == ("conv", "conv2d", "kernel")
    assert "reshape" in ask(net, "b", "next")
    assert ask(net, "b", "ahead") == ("activation", "relu", "relu-family")
    assert "norm" in ask(net, "r", "behind")


def test_next_all_is_what_all_readers_share():
    net = line("input", "conv2d:c", "relu")
    net.add("sigmoid", reads=("c",))
    assert ask(net, "c", "next-all") == ("activation",)
    assert set(ask(net, "c", "next")) >= {"relu", "sigmoid"}


def squeeze() -> Builder:
    """conv -> bn -> relu, gated by globalpool -> fc1 -> relu -> fc2 -> sigmoid."""
    net = line("input", "conv2d:c", "batchnorm2d", "relu:r")
    for step in ("adaptiveavgpool2d:p", "conv2d:fc1", "relu", "conv2d:fc2", "sigmoid:s"):
        kind, _, layer = step.partition(":")
        net.add(kind, layer)
    net.add("mul", "m", reads=("r", "s"))
    net.add("conv2d", "after")
    net.add("relu", "last")
    net.add("output")
    return net


@pytest.mark.parametrize(
    ("layer", "expected"),
    [("fc1", True), ("fc2", True), ("s", True), ("c", False), ("after", False), ("m", False)],
)
def test_gates(layer, expected):
    assert ask(squeeze(), layer, "gates") is expected


@pytest.mark.parametrize(
    ("layer", "expected"), [("fc1", True), ("fc2", True), ("c", False), ("after", False)]
)
def test_pooled(layer, expected):
    assert ask(squeeze(), layer, "pooled") is expected


def test_first_and_last_kernel():
    net = squeeze()
    found = [op.id for op in net.ops if ask(net, op.id, "first-kernel") and "kernel" in op.tags]
    assert found == ["c"]
    assert ask(net, "after", "last-kernel") is True
    assert ask(net, "fc2", "last-kernel") is False


def test_what_ends_a_residual_branch_is_added_to_what_it_was_computed_from():
    branch = "layernorm", "linear:one", "gelu", "linear:two", "dropout", "scale:scaled"
    net = line("input:x", *branch)
    net.add("add", "sum", reads=("scaled", "x"))
    net.add("linear", "three")
    net.add("linear", "beside", reads=("x",))
    net.add("add", "other", reads=("three", "beside"))
    answers = [ask(net, layer, "added-to-skip") for layer in ("one", "two", "three", "beside")]
    assert answers == [False, True, False, False]


def test_reads_input():
    net = line("input", "flatten", "linear:a", "linear:b")
    assert ask(net, "a", "reads-input") is True
    assert ask(net, "b", "reads-input") is False


def channels(net: Builder, **last):
    net.add("batchnorm2d", "end", **last)
    return ask(net, "end", "channels-arriving")


def test_channels_arrive_by_shape_first():
    net = Builder()
    net.add("input")
    net.add("conv2d", out_channels=8, shape=(2, 4, 5, 5))
    assert channels(net, shape=(2, 4, 5, 5)) == 4


def test_a_shape_that_led_to_nothing_is_not_trusted():
    net = Builder()
    net.add("input")
    net.add("conv2d", out_channels=8, shape=(2, 4, 5, 5))
    assert channels(net) == 8


def test_channels_are_followed_without_shapes():
    net = line("input")
    net.add("conv2d", "c", out_channels=8)
    net.chain("relu", "maxpool", "identity")
    assert channels(net) == 8


@pytest.mark.parametrize("blind", ["flatten", "chunk", "other", "pixelshuffle", "matmul"])
def test_channels_are_unknown_where_they_may_change(blind):
    net = line("input")
    net.add("conv2d", out_channels=8)
    net.add(blind)
    assert channels(net) is UNKNOWN


def test_a_flatten_after_a_global_pool_keeps_channels():
    net = line("input")
    net.add("conv2d", out_channels=8)
    net.chain("adaptiveavgpool2d", "flatten")
    assert channels(net) == 8


@pytest.mark.parametrize(("dim", "expected"), [(1, 12), (2, UNKNOWN), (None, UNKNOWN)])
def test_concatenation_adds_channels_up_along_axis_1_only(dim, expected):
    net = line("input:x")
    net.add("conv2d", "a", reads=("x",), out_channels=8)
    net.add("conv2d", "b", reads=("x",), out_channels=4)
    net.add("concat", reads=("a", "b"), dim=dim)
    assert channels(net) == expected


def test_a_concatenation_with_something_unknown_is_unknown():
    net = line("input:x")
    net.add("conv2d", "a", reads=("x",), out_channels=8)
    net.add("concat", reads=("a", "x"), dim=1)
    assert channels(net) is UNKNOWN


@pytest.mark.parametrize(("joined", "expected"), [(2, 12), (3, UNKNOWN)])
def test_a_concatenation_with_a_tensor_that_no_operation_made_is_unknown(joined, expected):
    net = line("input:x")
    net.add("conv2d", "a", reads=("x",), out_channels=8)
    net.add("conv2d", "b", reads=("x",), out_channels=4)
    net.add("concat", reads=("a", "b"), dim=1, joined=joined)
    assert channels(net) == expected


def test_a_kernel_reads_its_own_axis_of_a_shape():
    net = Builder()
    net.add("input", shape=(2, 7, 16))
    net.add("linear", "fc", shape=(2, 7, 3))
    net.add("conv1d", "c1", reads=(net.ops[0].id,), kernel_size=(3,), shape=(2, 3, 14))
    net.add("conv2d", "c2", reads=(net.ops[0].id,), kernel_size=(3, 3), shape=(3, 5, 14))
    assert ask(net, "fc", "channels-arriving") == 16
    assert ask(net, "c1", "channels-arriving") == 7
    assert ask(net, "c2", "channels-arriving") == 2  # (C, H, W): without a batch


def test_rank_is_followed_from_the_producer():
    net = line("input", "conv2d", "relu", "batchnorm2d:b", "flatten:f")
    net.ops[-1] = replace(net.ops[-1], facts={"start-dim": 1})
    net.add("batchnorm1d", "after")
    net.add("linear", "fc")
    net.add("batchnorm1d", "last")
    assert ask(net, "b", "in-rank") == 4
    assert ask(net, "b", "ranks-allowed") == (4,)
    assert ask(net, "after", "in-rank") == 2
    assert ask(net, "last", "in-rank") == 2
    assert ask(net, "after", "ranks-allowed") == (2, 3)
    assert ask(line("input", "batchnorm2d:b"), "b", "in-rank") is UNKNOWN


def test_sizes():
    net = Builder()
    net.add("input", shape=(2, 7, 4, 5))
    net.add("batchnorm2d", "b")
    asked = {n: ask(net, "b", n) for n in ("batch", "axis-1", "axis-last", "spatial-size")}
    assert asked == {"batch": 2, "axis-1": 7, "axis-last": 5, "spatial-size": 20}
    assert ask(net, "b", "values-per-channel") == 40
    assert ask(line("input", "batchnorm2d:b"), "b", "values-per-channel") is UNKNOWN


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (("conv2d", "batchnorm2d", "relu:r"), True),
        (("conv2d", "relu:r"), False),
        (("conv2d", "batchnorm2d", "relu", "maxpool", "relu:r"), True),
        (("batchnorm2d", "conv2d", "relu:r"), False),
        (("opaque", "relu:r"), UNKNOWN),
    ],
)
def test_normalised_before(steps, expected):
    assert ask(line("input", *steps), "r", "normalised-before") is expected


def test_a_merge_is_normalised_by_any_branch():
    net = line("input:x", "conv2d:a", "batchnorm2d:b")
    net.add("add", reads=("b", "x"))
    net.add("relu", "r")
    assert ask(net, "r", "normalised-before") is True


def test_out_spatial_size():
    net = Builder()
    net.add("input", "x", shape=(2, 3, 8, 8))
    net.add("conv2d", "c", shape=(2, 7, 4, 5))
    assert ask(net, "c", "out-spatial-size") == 20
    unshaped = line("input", "conv2d:a", "adaptiveavgpool2d", "conv2d:b", "linear:fc")
    assert ask(unshaped, "a", "out-spatial-size") is UNKNOWN
    assert ask(unshaped, "b", "out-spatial-size") == 1
    assert ask(unshaped, "fc", "out-spatial-size") is UNKNOWN


def test_a_layer_that_is_called_twice_is_one_sister():
    net = blocks(True, True, True)
    net.add("conv2d", "again", bias=False)
    net.add("relu")
    net.add("conv2d", "again#1", module="again", bias=False)
    net.ops[-1] = replace(net.ops[-1], layer="again")
    assert ask(net, "again", "sisters") == ask(net, "again#1", "sisters")


def test_channels_last():
    assert ask(line("input", "linear", "relu", "batchnorm1d:b"), "b", "channels-last") is True
    assert ask(line("input", "conv1d", "batchnorm1d:b"), "b", "channels-last") is False
    turned = line("input", "linear", "transpose", "batchnorm1d:b")
    assert ask(turned, "b", "channels-last") is UNKNOWN


def of_class(net: Builder, path: str, name: str) -> None:
    net.modules.append(ModuleInfo(path, "other", frozenset(), (f"net.{name}", "torch.nn.Module")))


def blocks(*normed: bool, kernels: int = 1) -> Builder:
    """Blocks of one class; only the last kernel of a block may go without a norm."""
    net = Builder()
    net.add("input")
    for n, with_norm in enumerate(normed):
        path = f"blocks.{n}"
        of_class(net, path, "Block")
        for k in range(kernels):
            net.add("conv2d", f"{path}.conv{k}", bias=False)
            if with_norm or k < kernels - 1:
                net.add("batchnorm2d", f"{path}.bn{k}")
            net.add("relu", f"{path}.relu{k}")
    return net


def test_sisters_stand_in_the_same_place_of_other_blocks():
    net = blocks(True, True, False, True, kernels=2)
    assert ask(net, "blocks.2.conv1", "normed-after") is False
    assert ask(net, "blocks.2.conv1", "sisters-in") == "block"
    assert ask(net, "blocks.2.conv1", "sisters") == 3
    assert ask(net, "blocks.2.conv1", "sisters-with-norm") == 3
    assert ask(net, "blocks.2.conv1", "sisters-normed") == 1.0
    assert ask(net, "blocks.0.conv1", "sisters-normed") == pytest.approx(2 / 3, abs=1e-4)


def test_the_only_kernel_of_a_block_is_compared_over_the_model():
    net = blocks(True, True, False, True)
    assert ask(net, "blocks.2.conv0", "sisters-in") == "model"
    assert ask(net, "blocks.2.conv0", "sisters") == 3
    assert ask(net, "blocks.2.conv0", "sisters-normed") == 1.0
    net.add("linear", "fc")
    assert ask(net, "fc", "sisters") == 0
    assert ask(net, "fc", "sisters-in") is UNKNOWN


def test_any_enclosing_block_without_norms_speaks_for_leaving_it_out():
    net = Builder()
    net.add("input")
    for n in range(6):
        outer, inner = f"units.{n}", f"units.{n}.last"
        of_class(net, outer, "Unit")
        of_class(net, inner, "ConvBlock")
        of_class(net, f"{outer}.first", "ConvBlock")
        net.add("conv2d", f"{outer}.first.conv")
        net.chain("batchnorm2d", "relu")
        net.add("conv2d", f"{inner}.conv")
        net.add("relu")
    assert ask(net, "units.0.last.conv", "sisters-normed") == 0.0
    assert ask(net, "units.0.first.conv", "sisters-normed") == 1.0
    of_class(net, "stem", "ConvBlock")
    net.add("conv2d", "stem.conv")
    net.add("relu")
    assert ask(net, "stem.conv", "sisters-in") == "model"
    assert ask(net, "stem.conv", "sisters-normed") == 0.5  # half of the wrappers have none


def test_a_bare_block_has_no_norm_where_its_sisters_have():
    net = blocks(True, True, True, kernels=2)
    of_class(net, "bare", "Block")
    for n in range(2):
        net.add("conv2d", f"bare.conv{n}")
        net.add("relu")
    assert ask(net, "bare.conv0", "bare-block") is True
    assert ask(net, "blocks.0.conv0", "bare-block") is False
    assert ask(blocks(True, False, True, kernels=2), "blocks.1.conv1", "bare-block") is False


def test_a_norm_behind_a_merge_is_not_a_sisters_own():
    net = Builder()
    net.add("input", "x")
    for n in range(3):
        of_class(net, f"b.{n}", "Block")
        net.add("conv2d", f"b.{n}.one")
        net.add("relu")
        net.add("conv2d", f"b.{n}.two")
        net.add("add", f"sum{n}", reads=(f"b.{n}.two", "x"))
        net.chain("batchnorm2d", "relu")
    assert ask(net, "b.0.two", "normed-after") is True
    assert ask(net, "b.0.two", "sisters-normed") == 0.0


def test_an_only_child_has_no_sisters():
    net = blocks(False)
    assert ask(net, "blocks.0.conv0", "sisters") == 0
    assert ask(net, "blocks.0.conv0", "sisters-normed") is UNKNOWN


def test_activated_after_looks_through_merges():
    net = line("input:x", "conv2d:c")
    net.add("add", "sum", reads=("c", "x"))
    net.chain("dropout", "relu")
    assert ask(net, "c", "activated-after") is True
    assert ask(line("conv2d:c", "flatten", "linear", "relu"), "c", "activated-after") is False
    assert ask(line("conv2d:c", "opaque"), "c", "activated-after") is UNKNOWN


def test_normed_late():
    assert ask(line("conv2d:c", "relu", "batchnorm2d"), "c", "normed-late") is True
    assert ask(line("conv2d:c", "relu", "conv2d", "batchnorm2d"), "c", "normed-late") is False
    assert ask(line("conv2d:c", "batchnorm2d", "relu"), "c", "normed-late") is False


@pytest.mark.parametrize(("bias", "expected"), [(True, True), (False, False)])
def test_biased_unlike_normed(bias, expected):
    net = blocks(True, True)
    net.add("conv2d", "plain", bias=bias)
    assert ask(net, "plain", "biased-unlike-normed") is expected
    assert ask(net, "blocks.0.conv0", "biased-unlike-normed") is False
    assert ask(line("conv2d:c"), "c", "biased-unlike-normed") is UNKNOWN


def test_what_lies_behind_an_opaque_part_is_unknown():
    net = line(
        "input", "opaque", "conv2d:c", "opaque", "relu:r", "conv2d:d", "batchnorm2d", "relu:z"
    )
    assert ask(net, "c", "first-kernel") is UNKNOWN
    assert ask(net, "d", "first-kernel") is False
    assert ask(net, "d", "last-kernel") is True
    assert ask(net, "d", "norm-ahead") is True
    assert ask(net, "z", "norm-ahead") is False
    hidden = line("input", "conv2d:c", "opaque")
    assert ask(hidden, "c", "last-kernel") is UNKNOWN
    assert ask(hidden, "c", "norm-ahead") is UNKNOWN


def test_sole_reader_looks_back_through_plumbing():
    net = line("conv2d:c", "identity:i", "maxpool:m", "batchnorm2d:b")
    assert ask(net, "b", "sole-reader") is True
    net.add("relu", "other", reads=("c",))
    assert ask(net, "b", "sole-reader") is False
    assert ask(net, "c", "sole-reader") is True


@pytest.mark.parametrize(("second", "expected"), [((1, 3), True), ((3, 1), False), ((3, 3), False)])
def test_factorised(second, expected):
    net = line("input")
    net.add("conv2d", "a", kernel_size=(3, 1))
    net.add("relu")
    net.add("conv2d", "b", kernel_size=second)
    assert ask(net, "a", "factorised") is expected


def residual(inplace: bool, *, late: bool = True, through: str = "") -> Builder:
    net = line("input", "conv2d:c")
    if not late:
        net.add("conv2d", "side", reads=("c",))
    if through:
        net.add(through, "view", reads=("c",))
    net.add("relu", "r", reads=("view" if through else "c",), inplace=inplace)
    net.add("add", "sum", reads=("r", "c" if late else "side"))
    return net


def test_inplace_on_shared():
    assert ask(residual(True), "r", "inplace-on-shared") is True
    assert ask(residual(False), "r", "inplace-on-shared") is False
    assert ask(residual(True, late=False), "r", "inplace-on-shared") is True  # for the gradient
    assert ask(residual(True, through="flatten"), "r", "inplace-on-shared") is True
    assert ask(residual(True, through="conv2d"), "r", "inplace-on-shared") is False


def test_plain_chain():
    net = line("input", "conv2d:a", "relu", "conv2d:b", "relu:r", "batchnorm2d:n", "conv2d:c")
    lengths = {i: ask(net, i, "plain-chain") for i in ("a", "b", "n", "c")}
    assert lengths == {"a": 2, "b": 1, "n": 0, "c": 1}
    assert [ask(net, i, "chain-begins") for i in ("a", "b", "r", "c")] == [True, False, False, True]


def test_a_chain_that_forks_begins_once_and_is_as_long_as_its_longer_end():
    net = line("input", "conv2d:a", "relu:r", "conv2d:b", "conv2d:c")
    net.add("conv2d", "side", reads=("r",))
    assert ask(net, "a", "plain-chain") == 3
    assert [ask(net, i, "chain-begins") for i in ("a", "b", "c", "side")] == [True] + 3 * [False]


@pytest.mark.parametrize("breaker", ["selu", "add", "concat", "layernorm"])
def test_a_chain_is_broken_by(breaker):
    net = line("input", "conv2d:a", "conv2d", breaker, "conv2d:c")
    assert ask(net, "a", "plain-chain") == 2
    assert ask(net, "c", "chain-begins") is True


def test_a_weight_norm_breaks_a_chain():
    net = line("input", "conv2d:a", "conv2d:c", "conv2d:d")
    net.ops[2] = replace(net.ops[2], types=("torch.nn.utils.parametrize.ParametrizedConv2d",))
    assert ask(net, "c", "parametrized") is True
    assert ask(net, "d", "parametrized") is False
    assert ask(net, "a", "plain-chain") == 1
    assert ask(net, "d", "chain-begins") is True


def test_gradient_returns():
    net = line("input", "conv2d:a", "detach", "conv2d:b", "output")
    assert ask(net, "a", "gradient-returns") is False
    assert ask(net, "a", "reaches-output") is True
    assert ask(net, "b", "gradient-returns") is True
    net.add("add", "past", reads=("a",))
    net.add("output", "o2")
    assert ask(net, "a", "gradient-returns") is True


def test_without_an_output_nothing_is_said_of_outputs():
    net = line("input", "conv2d:a")
    assert ask(net, "a", "reaches-output") is UNKNOWN
    assert facts_of(net).model("classifier") is UNKNOWN


def test_no_grad_cuts_the_gradient():
    net = line("input", "conv2d:a")
    net.add("conv2d", "frozen", grad=False)
    net.chain("conv2d", "output")
    assert ask(net, "a", "gradient-returns") is False


def head(wide: int, narrow: int) -> Facts:
    net = line("input", "flatten")
    net.add("linear", in_channels=wide, out_channels=narrow)
    net.chain("batchnorm1d", "output")
    return facts_of(net)


def test_model_facts():
    assert head(512, 10).model("classifier") is True
    assert head(128, 128).model("classifier") is False
    facts = facts_of(squeeze())
    asked = {n: facts.model(n) for n in ("kernels", "batchnorms", "activations", "merges")}
    assert asked == {"kernels": 4, "batchnorms": 1, "activations": 4, "merges": 0}
    assert facts.model("norm-families") == ("batchnorm",)
    assert facts_of(line("input"), "mined").model("inputs-source") == "mined"


def info(path: str = "spare", **fields) -> ModuleInfo:
    known = {"calls": 0, "eval_calls": 0, **fields}
    return ModuleInfo(path, "batchnorm2d", frozenset(("norm",)), ("a.B",), {"eps": 0.5}, **known)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"calls": 1}, True),
        ({"eval_calls": 1}, True),
        ({"reads": True}, True),
        ({"calls": None}, UNKNOWN),
        ({"eval_calls": None}, UNKNOWN),
        ({"calls": 1, "eval_calls": None}, True),
    ],
)
def test_used(fields, expected):
    facts = facts_of(line("input"))
    assert facts.module(info(**fields), "used") is expected


def test_nothing_is_unused_in_an_incomplete_trace():
    net = line("input")
    net.complete = False
    assert facts_of(net).module(info(), "used") is UNKNOWN


def test_module_facts():
    net = line("input")
    net.modules = [ModuleInfo("net", "other", frozenset(), ("net.Stack", "torch.nn.Sequential"))]
    facts = facts_of(net)
    twice = info("net.1", aliases=("net.2", "head"))
    assert facts.module(twice, "repeated") is True
    assert facts.module(info("net.3", aliases=("head",)), "repeated") is False
    assert facts.module(info("bn1", aliases=("bn2",)), "repeated") is False  # two attributes
    assert facts.module(twice, "alias-count") == 2
    assert facts.module(twice, "class") == "B"
    assert facts.module(twice, "eps") == 0.5
    assert facts.module(twice, "bias") is UNKNOWN
