"""What is predicted from initial weights, against what is measured on the same weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnlint.domain.graph import ModelGraph, Op
from bnlint.layers.table import builtin_table
from bnlint.models.guessing.guess import given
from bnlint.tracing.initial.real_weights import weights_of
from bnlint.tracing.model import trace_model

Init = Callable[[nn.Module], object]


def he(layer: nn.Module) -> None:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)


def lecun(layer: nn.Module) -> None:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    nn.init.zeros_(layer.bias)


def xavier(layer: nn.Module) -> None:
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)


def normal(deviation: float) -> Init:
    def init(layer: nn.Module) -> None:
        nn.init.normal_(layer.weight, std=deviation)
        nn.init.zeros_(layer.bias)

    return init


def biased(bias: float, base: Init = lambda layer: None) -> Init:
    def init(layer: nn.Module) -> None:
        base(layer)
        nn.init.constant_(layer.bias, bias)

    return init


def default(layer: nn.Module) -> None:
    """Torch's own."""


def mlp(depth: int, width: int, act: Callable[[], nn.Module], init: Init) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n in range(depth):
        layers += [nn.Linear(width if n else 64, width), act()]
        init(layers[-2])
    head = nn.Linear(width, 10)
    init(head)
    return nn.Sequential(*layers, head)


def cnn(depth: int, width: int, act: Callable[[], nn.Module], init: Init) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n in range(depth):
        layers += [nn.Conv2d(width if n else 3, width, 3, padding=1), act()]
        init(layers[-2])
        layers += [nn.MaxPool2d(2)] if n % 4 == 3 else []
    head = nn.Linear(width, 10)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


NETS = {
    "4 sigmoid, default": lambda: mlp(3, 64, nn.Sigmoid, default),
    "8 sigmoid, default": lambda: mlp(7, 128, nn.Sigmoid, default),
    "5 ReLU, default": lambda: mlp(4, 64, nn.ReLU, default),
    "12 ReLU, default": lambda: mlp(11, 64, nn.ReLU, default),
    "12 ReLU, He": lambda: mlp(11, 128, nn.ReLU, he),
    "12 ReLU, too small": lambda: mlp(11, 128, nn.ReLU, normal(0.01)),
    "12 ReLU, biases of .5": lambda: mlp(11, 64, nn.ReLU, biased(0.5)),
    "6 ReLU, He, biases of -.5": lambda: mlp(5, 128, nn.ReLU, biased(-0.5, he)),
    "40 ReLU, He": lambda: mlp(39, 128, nn.ReLU, he),
    "12 tanh, Xavier": lambda: mlp(11, 128, nn.Tanh, xavier),
    "12 tanh, default": lambda: mlp(11, 128, nn.Tanh, default),
    "12 tanh, too large": lambda: mlp(11, 128, nn.Tanh, normal(0.3)),
    "20 GELU, default": lambda: mlp(19, 128, nn.GELU, default),
    "20 SELU, LeCun": lambda: mlp(19, 128, nn.SELU, lecun),
    "8 conv, default": lambda: cnn(8, 32, nn.ReLU, default),
    "8 conv, He": lambda: cnn(8, 32, nn.ReLU, he),
    "6 conv, leaky, default": lambda: cnn(6, 32, lambda: nn.LeakyReLU(0.2), default),
    "12 conv, tanh, Xavier": lambda: cnn(12, 16, nn.Tanh, xavier),
}


def shape_of(net: nn.Sequential) -> tuple[int, ...]:
    return (2, 64) if isinstance(net[0], nn.Linear) else (2, 3, 16, 16)


def traced(net: nn.Module, shape: tuple[int, ...]) -> ModelGraph:
    return trace_model(net, inputs=given(torch.empty(shape, device="meta")))


def end_of(graph: ModelGraph) -> Op:
    """The kernel at the end of the stretch."""
    (op,) = (op for op in graph.ops if "init-kept" in op.facts)
    return op


def measured(net: nn.Sequential) -> tuple[float, float]:
    """The gradient ratio of first and last kernel, and the signal at the last one's output."""
    torch.manual_seed(0)
    x = torch.randn(256, *shape_of(net)[1:])
    z = net(x)
    kernels = [m for m in net if hasattr(m, "weight") and m.weight.ndim > 1]
    loss = functional.cross_entropy(z, torch.randint(0, 10, (256,)))
    grads = torch.autograd.grad(loss, [kernels[0].weight, kernels[-1].weight])
    first, last = (
        float(g.norm() / k.weight.detach().norm())
        for g, k in zip(grads, (kernels[0], kernels[-1]), strict=True)
    )
    z = z.detach()
    return first / last, float((z.var(0).mean() / z.square().mean()).sqrt())


@pytest.mark.parametrize("name", NETS)
def test_the_gradient_is_predicted_within_a_decade(name):
    torch.manual_seed(0)
    net = NETS[name]()
    predicted = end_of(traced(net, shape_of(net))).facts["init-gradient"]
    ratio, _ = measured(net)
    assert abs(math.log10(predicted / ratio)) < 1


@pytest.mark.parametrize("name", [n for n in NETS if "GELU" not in n])
def test_the_signal_is_predicted_within_a_decade(name):
    torch.manual_seed(0)
    net = NETS[name]()
    predicted = end_of(traced(net, shape_of(net))).facts["init-signal"]
    _, signal = measured(net)
    assert abs(math.log10(predicted / signal)) < 1


@pytest.mark.parametrize(
    ("bias", "init", "layer"),
    [(-0.05, default, "8"), (-0.5, default, "2"), (-3.0, default, "0"), (0.0, default, "")],
)
def test_the_first_layer_that_biases_kill(bias, init, layer):
    torch.manual_seed(0)
    net = mlp(8, 64, nn.ReLU, biased(bias, init))
    graph = traced(net, (2, 64))
    found = [op.layer for op in graph.ops if (op.facts.get("init-dead-by-bias") or 0) > 0.5]
    assert found == [layer] * bool(layer)


def test_the_layer_that_is_predicted_to_die_does():
    torch.manual_seed(0)
    net = mlp(8, 64, nn.ReLU, biased(-0.05))
    z = net[:9](torch.randn(1024, 64))
    assert bool((z <= 0).all())


def test_no_layer_is_killed_that_still_fires():
    torch.manual_seed(0)
    net = mlp(5, 128, nn.ReLU, biased(-0.5, he))
    z = net[:9](torch.randn(1024, 64))
    assert float((z <= 0).all(0).float().mean()) < 0.5
    assert not any(
        (op.facts.get("init-dead-by-bias") or 0) > 0.5 for op in traced(net, (2, 64)).ops
    )


def test_a_norm_ends_a_stretch_and_begins_another():
    layers = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    ends = [(op.layer, op.facts["init-first"]) for op in traced(net, (2, 64)).ops
            if "init-kernels" in op.facts]  # fmt: skip
    assert ends == [("2", "0"), ("7", "5")]


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        x = self.one(x)
        return self.out(x + self.two(x).relu())


def test_a_merge_is_not_followed():
    assert [op for op in traced(Residual(), (2, 8)).ops if "init-kept" in op.facts] == []


def test_nothing_is_said_of_weights_without_numbers():
    with torch.device("meta"):
        net = mlp(4, 64, nn.ReLU, default)
    assert not any(k.startswith("init-") for op in traced(net, (2, 64)).ops for k in op.facts)


def facts(net: nn.Module, layer: str, shape: tuple[int, ...] = (2, 8)) -> dict[str, object]:
    (op,) = (op for op in traced(net, shape).ops if op.layer == layer)
    return dict(op.facts)


def test_the_share_of_dead_units():
    net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    nn.init.zeros_(net[0].weight[:2])
    with torch.no_grad():
        net[0].bias[:2] = torch.tensor([-1.0, 1.0])
    assert facts(net, "0")["init-dead-share"] == 0.25
    assert facts(net, "2")["init-dead-share"] == 0


def test_a_channel_is_dead_by_its_scale_or_by_the_kernel_before():
    net = nn.Sequential(nn.Linear(8, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU())
    nn.init.zeros_(net[0].weight[:1])
    nn.init.zeros_(net[1].weight[3:])
    assert facts(net, "1")["init-dead-share"] == 0.5
    nn.init.ones_(net[1].bias)
    assert facts(net, "1")["init-dead-share"] == 0


@pytest.mark.parametrize(
    ("set_", "first", "expected"),
    [
        ("both", "0", (True, True)),  # equal, and they stay equal
        ("first", "0", (True, False)),
        ("none", "0", (False, None)),
    ],
)
def test_equal_rows(set_, first, expected):
    net = nn.Sequential(nn.Linear(8, 4, bias=False), nn.Tanh(), nn.Linear(4, 2))
    for layer in (net[0], net[2])[: {"both": 2, "first": 1, "none": 0}[set_]]:
        nn.init.constant_(layer.weight, 0.1)
    found = facts(net, first)
    assert (found["init-rows-equal"], found.get("init-tied")) == expected


def test_biases_that_differ_untie():
    net = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 2))
    for layer in (net[0], net[2]):
        nn.init.constant_(layer.weight, 0.1)
    assert facts(net, "0")["init-tied"] is False


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(4, 6, bias=False), (2, 4)),
        (nn.Conv2d(4, 6, 3, bias=False), (2, 4, 8, 8)),
        (nn.Conv2d(4, 6, 3, groups=2, bias=False), (2, 4, 8, 8)),
        (nn.ConvTranspose2d(4, 6, 3, bias=False), (2, 4, 8, 8)),
        (nn.ConvTranspose1d(4, 6, 3, groups=2, bias=False), (2, 4, 8)),
    ],
)
def test_each_row_belongs_to_one_output(layer, shape):
    kind = builtin_table().of_module(layer)
    assert weights_of(layer, kind).inputs == 4
    keep = torch.zeros_like(layer.weight)
    x = torch.rand(shape)
    for index in range(layer.weight.numel()):
        with torch.no_grad():
            layer.weight.copy_(keep).view(-1)[index] = 1.0
            used = layer(x).abs().transpose(0, 1).flatten(1).sum(1) > 0
        rows = weights_of(layer, kind).rows
        assert rows.shape[0] == 6
        assert torch.equal(rows.abs().sum(1) > 0, used)


def test_what_is_less_than_nothing_is_said_in_words():
    from bnlint.tracing.initial import _in_words

    assert _in_words(3.21e-5) == "3e-05"
    assert _in_words(0.0) == _in_words(1e-14) == "less than 1e-12"


def test_layers_behind_a_dead_one_are_counted():
    body = [layer for _ in range(6) for layer in (nn.Linear(32, 32), nn.ReLU())]
    net = nn.Sequential(*body, nn.Linear(32, 4))
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.bias, -0.4)
    graph = trace_model(net)
    said = [op.facts["init-dead-behind"] for op in graph.ops if "init-dead-behind" in op.facts]
    assert len(said) == 1
    assert said[0].endswith(("layers behind it", "one behind it"))


def test_a_layer_without_weights_is_not_dead():
    """Guessed arguments may leave no inputs for it, and there is nothing that starts at zero."""
    nothing = nn.Linear(1, 8)
    nothing.weight = nn.Parameter(torch.empty(8, 0))
    assert weights_of(nothing, builtin_table().of_module(nothing)) is None
