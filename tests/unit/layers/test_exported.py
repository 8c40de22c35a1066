"""Graphs of ``torch.export`` hold operators of aten: each is what it was exported from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import bnlint
from bnlint.domain.finding import Report
from bnlint.domain.graph import ModelGraph, Op
from bnlint.layers.calls import Call, State, dotted_name, name_of, schema_of
from bnlint.layers.of_calls import arguments_of, function_facts, kind_of
from bnlint.layers.table import builtin_table

aten = torch.ops.aten
X = torch.zeros(2, 3, 8, 8)


class Net(nn.Module):
    """Its first norm comes after the activation; the bias before its second is redundant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16)
        self.act, self.pool, self.drop = nn.ReLU6(inplace=True), nn.MaxPool2d(2), nn.Dropout(0.3)
        self.fc, self.norm = nn.Linear(16, 10), nn.LayerNorm(10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(torch.relu(self.conv1(x)))
        x = self.pool(self.act(self.bn2(self.conv2(x)))).mean((2, 3))
        return self.norm(self.fc(self.drop(x)))


def exported(train: bool, core: bool) -> nn.Module:
    program = torch.export.export(Net().train(train), (X,))
    return (program.run_decompositions() if core else program).module()


@pytest.fixture(scope="module")
def plain() -> ModelGraph:
    return bnlint.trace(Net(), (X,))


FORMS = [(True, False), (False, False), (True, True), (False, True)]


@pytest.mark.parametrize(("train", "core"), FORMS)
def test_the_same_kinds_as_the_model_they_come_from(
    plain: ModelGraph, train: bool, core: bool
) -> None:
    found = bnlint.trace(exported(train, core), (X,))
    dropped = not train and core  # a decomposed graph has no dropout in eval mode
    wanted = [op.kind for op in plain.ops if not (dropped and op.kind == "dropout")]
    assert [op.kind for op in found.ops if not (dropped and op.kind in _COPIES)] == wanted


_COPIES = ("passthrough", "dropout")


def rules(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


@pytest.mark.parametrize("core", [False, True])
def test_the_rules_fire(core: bool) -> None:
    assert rules(bnlint.check_model(Net(), (X,))) == {"BN101", "BN301"}
    report = bnlint.check_model(exported(True, core), (X,))
    assert rules(report) == {"BN101", "BN301"}
    assert not report.problems


def facts_of(graph: ModelGraph, kind: str) -> list[Op]:
    return [op for op in graph.ops if op.kind == kind]


@pytest.mark.parametrize(("train", "core"), FORMS)
def test_facts_are_read_from_the_arguments(train: bool, core: bool) -> None:
    graph = bnlint.trace(exported(train, core), (X,))
    norm = facts_of(graph, "batchnorm2d")[1].facts
    assert norm["frozen"] is not train
    assert (norm["channels"], norm["momentum"], norm["eps"]) == (16, 0.1, 1e-5)
    conv = facts_of(graph, "conv2d")[1].facts
    assert (conv["in-channels"], conv["out-channels"], conv["kernel-size"]) == (8, 16, (3, 3))
    linear = facts_of(graph, "linear")[0].facts
    assert (linear["in-channels"], linear["out-channels"], linear["bias"]) == (16, 10, True)
    if train:
        assert facts_of(graph, "dropout")[0].facts["p"] == 0.3


def test_statistics_that_are_written_back_are_no_operations() -> None:
    graph = bnlint.trace(exported(True, True), (X,))
    assert "copy_" not in {op.facts.get("class") for op in graph.ops}


def state(*shape: int) -> State:
    return State("weight", shape, True)


def named(call: Call) -> str | None:
    kind = kind_of(call, builtin_table())
    return kind.name if kind else None


def test_names_of_operators_have_no_overload() -> None:
    assert name_of(aten.conv2d.default) == "conv2d"
    assert dotted_name(aten.relu_.default) == "torch._ops.aten.relu_"
    assert schema_of(torch.relu) is None


@pytest.mark.parametrize(
    ("turned", "shape", "kind"),
    [(False, (4, 3, 1), "conv1d"), (True, (4, 3, 1, 1), "convtranspose2d"),
     (False, (4, 3, 1, 1, 1), "conv3d")],
)  # fmt: skip
def test_the_rank_of_a_convolution_is_that_of_its_weight(
    turned: bool, shape: tuple[int, ...], kind: str
) -> None:
    args = (None, state(*shape), None, [1], [0], [1], turned, [0], 1)
    assert named(Call("a", aten.convolution.default, args)) == kind


def test_a_product_with_a_weight_is_a_linear_layer() -> None:
    call = Call("a", aten.mm.default, (None, state(16, 10)))
    assert named(call) == "linear"
    assert named(Call("a", aten.mm.default, (None, None))) == "matmul"
    arguments = arguments_of(call.target, call.args, {})
    found = function_facts("mm", builtin_table().kind("linear"), arguments)
    assert (found["in-channels"], found["out-channels"], found["bias"]) == (16, 10, False)


def test_arguments_have_the_names_of_the_functions() -> None:
    found = arguments_of(aten.dropout.default, (None, 0.5, True), {})
    assert found == {"input": None, "p": 0.5, "training": True}
    norm = (None, None, None, None, None, 0.2, 1e-3)
    found = arguments_of(aten._native_batch_norm_legit_no_training.default, norm, {})
    assert (found["training"], found["momentum"], found["eps"]) == (False, 0.2, 1e-3)


def test_weights_that_are_reshaped_stay_weights() -> None:
    class Attention(nn.Module):
        """Decomposed, its product is one of batches, with an expanded weight."""

        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Linear(6, 4, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.proj(x.transpose(1, 2))

    program = torch.export.export(Attention(), (torch.zeros(2, 6, 5),)).run_decompositions()
    graph = bnlint.trace(program.module(), (torch.zeros(2, 6, 5),))
    linear = facts_of(graph, "linear")
    assert [(op.facts["in-channels"], op.facts["out-channels"]) for op in linear] == [(6, 4)]
