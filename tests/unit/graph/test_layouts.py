"""Layouts that are followed without an input hold for every input."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.domain.graph import ModelGraph
from bnlint.graph.facts.layouts import Layout, followed
from bnlint.graph.facts.layouts.axis import Axis, merged
from bnlint.graph.facts.layouts.rearranging import by_shapes
from bnlint.graph.view import View
from bnlint.models.guessing.guess import Guess, Guesses
from bnlint.tracing.model import trace_model
from tests.unit.graph.test_facts import ask, line

MAPS = torch.empty(2, 3, 32, 24, device="meta")


class Net(nn.Module):
    """A convolution, then the code that is tried."""

    def __init__(self, code) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.fc = nn.Linear(16, 12)
        self.code = code

    def forward(self, x):
        return self.code(self, self.conv(x))


def traced(code, x=MAPS) -> ModelGraph:
    return trace_model(Net(code), inputs=None if x is None else Guesses((Guess((x,)),)))


def last(graph: ModelGraph) -> Layout:
    view = View(graph)
    return followed(view, view.ops[-1])


def sizes(layout: Layout) -> list[int | None]:
    return [axis.size for axis in layout.axes]


def roles(layout: Layout) -> list[str]:
    return [axis.role for axis in layout.axes]


def tokens(net, x):
    return x.flatten(2).transpose(1, 2)


CODE = {
    "tokens": (tokens, ["batch", "position", "channels"], [None, None, 16]),
    "features": (lambda n, x: n.fc(tokens(n, x)), ["batch", "position", "channels"],
                 [None, None, 12]),
    "permute": (lambda n, x: x.permute(0, 2, 3, 1),
                ["batch", "position", "position", "channels"], [None, None, None, 16]),
    "flat": (lambda n, x: x.view(x.size(0), -1), ["batch", "channels"], [None, None]),
    "pooled": (lambda n, x: F.adaptive_avg_pool2d(x, 1).flatten(1), ["batch", "channels"],
               [None, 16]),
    "mean": (lambda n, x: x.mean((2, 3)), ["batch", "channels"], [None, 16]),
    "kept": (lambda n, x: x.mean(-1, keepdim=True),
             ["batch", "channels", "position", "position"], [None, 16, None, 1]),
    "literal": (lambda n, x: x.view(-1, 16 * 8), ["", ""], [None, 128]),
    "heads": (lambda n, x: x.view(x.size(0), 4, 4, -1), ["batch", "", "", ""],
              [None, 4, 4, None]),
    "same channels": (lambda n, x: x.view(x.size(0), 16, -1), ["batch", "channels", "position"],
                      [None, 16, None]),
    "first token": (lambda n, x: tokens(n, x)[:, 0], ["batch", "channels"], [None, 16]),
    "two more": (lambda n, x: x[..., None].unsqueeze(1),
                 ["batch", "", "channels", "position", "position", ""],
                 [None, 1, 16, None, None, 1]),
    "squeeze": (lambda n, x: x.mean(3, keepdim=True).squeeze(3),
                ["batch", "channels", "position"], [None, 16, None]),
    "joined": (lambda n, x: torch.cat([x, x], 1), ["batch", "channels", "position", "position"],
               [None, 32, None, None]),
    "scores": (lambda n, x: torch.bmm(tokens(n, x), x.flatten(2)),
               ["batch", "position", "position"], [None, None, None]),
    "gate": (lambda n, x: x * x.mean((2, 3), keepdim=True).sigmoid(),
             ["batch", "channels", "position", "position"], [None, 16, None, None]),
}  # fmt: skip


@pytest.mark.parametrize("name", CODE)
def test_axes_are_followed_without_an_input(name):
    code, named, sized = CODE[name]
    found = last(traced(code, None))
    assert (roles(found), sizes(found)) == (named, sized)


@pytest.mark.parametrize("name", CODE)
def test_what_is_followed_is_what_runs(name):
    view = View(traced(CODE[name][0]))
    for op in view.ops[1:]:
        layout = followed(view, op)
        shape = op.inputs[0] if op.inputs else None
        if shape is not None and layout.rank is not None:
            assert layout.rank == len(shape)
            assert all(a.size in (None, s) for a, s in zip(layout.axes, shape, strict=True))


@pytest.mark.parametrize(
    "code",
    [
        lambda n, x: x.view(x.shape),
        lambda n, x: x.squeeze(),
        lambda n, x: x.squeeze(2),
        lambda n, x: torch.einsum("bchw->bhw", x),
        lambda n, x: x[x > 0],
    ],
)
def test_nothing_is_known_of_what_an_input_decides(code):
    assert last(traced(code, None)).open


def test_sizes_that_the_forward_computes_from_an_input_are_unknown():
    def code(net, x):
        if x.shape[2] > 8:  # not symbolic: recorded with the sizes of one input
            x = x * 2
        return x.view(x.shape[0], x.shape[1] * 4, -1)

    view = View(traced(code))
    assert view.ops[-2].facts["sizes"] == (None, None, -1)


def test_an_axis_of_another_tensor_is_not_the_same_axis():
    def code(net, x):
        n, _, h, _ = x.shape
        return x.flatten(2).view(n, -1, h)

    assert sizes(last(traced(code, None))) == [None, None, None]
    assert roles(last(traced(code, None))) == ["batch", "", ""]


def test_only_the_last_axis_of_a_linear_layer_is_known():
    net = line("input", "linear", "relu", "batchnorm1d:b")
    assert ask(net, "b", "in-rank") is ask(net, "b", "axis-1")  # unknown
    assert ask(net, "b", "channels-last") is True


def axes(*named: tuple[str, int]) -> tuple[Axis, ...]:
    return tuple(Axis(role, size) for role, size in named)


MAP = Layout(axes(("batch", 2), ("channels", 16), ("position", 3), ("position", 5)), open=False)


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ((2, 16, 15), ["batch", "channels", "position"]),
        ((2, 240), ["batch", "channels"]),
        ((2, 4, 4, 3, 5), ["batch", "", "", "position", "position"]),
        ((2, 1, 16, 3, 5, 1), ["batch", "", "channels", "position", "position", ""]),
        ((32, 15), ["", "position"]),
        ((2, 15, 16), ["batch", "", ""]),
    ],
)
def test_a_view_is_read_from_the_shapes(shape, named):
    assert [axis.role if axis.size != 1 else "" for axis in by_shapes(MAP, shape).axes] == named


def test_merged_axes():
    assert merged(axes(("channels", 16), ("position", 1))) == Axis("channels", 16)
    assert merged(axes(("position", 3), ("position", 5))) == Axis("position", 15)
    assert merged(axes(("batch", 2), ("position", 5))) == Axis("", 10)
