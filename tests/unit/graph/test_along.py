"""The axis that a softmax, a norm or a view works along."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.graph.facts import UNKNOWN, Facts
from bnlint.graph.view import View
from bnlint.models.guessing.guess import Guess, Guesses, Origin
from bnlint.tracing.model import trace_model

IMAGES, TOKENS = torch.empty(2, 3, 20, 28, device="meta"), torch.empty(2, 9, 8, device="meta")


class Net(nn.Module):
    def __init__(self, code, **layers) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 16, 3, padding=1), nn.Linear(8, 6)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.code = code

    def forward(self, x):
        return self.code(self, x)


def ask(code, x, name: str, *, source: str = "declared", **layers):
    """A fact of the last operation that returns a result."""
    guesses = Guesses((Guess((x,), origin=Origin(source)),))
    view = View(trace_model(Net(code, **layers), inputs=guesses))
    return Facts(view).op(view.ops[-2], name)


@pytest.mark.parametrize(
    ("code", "x", "axis", "role", "size"),
    [
        (lambda n, x: F.softmax(n.conv(x), dim=1), IMAGES, 1, "channels", 16),
        (lambda n, x: F.softmax(n.conv(x), dim=0), IMAGES, 0, "batch", 2),
        (lambda n, x: F.softmax(n.conv(x), dim=-4), IMAGES, 0, "batch", 2),
        (lambda n, x: n.conv(x).softmax(-1), IMAGES, 3, "position", 28),
        (lambda n, x: F.softmax(n.conv(x).flatten(2)), IMAGES, 0, "batch", 2),
        (lambda n, x: F.softmax(n.conv(x).mean((2, 3))), IMAGES, 1, "channels", 16),
        (lambda n, x: F.softmax(n.conv(x)), IMAGES, 1, "channels", 16),
        (lambda n, x: nn.Softmax2d()(n.conv(x)), IMAGES, 1, "channels", 16),
        (lambda n, x: n.fc(x).softmax(1), TOKENS, 1, "unknown", 9),
        (lambda n, x: F.gumbel_softmax(n.fc(x)), TOKENS, 2, "channels", 6),
        (lambda n, x: F.normalize(n.fc(x)), TOKENS, 1, "unknown", 9),
    ],
)
def test_the_axis_its_role_and_its_size(code, x, axis, role, size):
    assert ask(code, x, "axis") == axis
    assert ask(code, x, "axis-role") == role
    assert ask(code, x, "axis-size") == size


def test_a_guessed_input_proves_no_rank_and_no_size():
    def code(net, x):
        return net.fc(x).softmax(1)

    assert ask(code, TOKENS, "axis-size", source="inferred") == 0
    assert ask(lambda n, x: n.fc(x).softmax(-1), TOKENS, "axis-size", source="inferred") == 6


@pytest.mark.parametrize(
    ("layer", "x", "values"),
    [
        (nn.GroupNorm(4, 16), torch.empty(2, 16, 3, 3), 36),
        (nn.GroupNorm(16, 16), torch.empty(2, 16), 1),
        (nn.InstanceNorm2d(16), torch.empty(2, 16, 3, 5), 15),
        (nn.InstanceNorm1d(16), torch.empty(16, 5), 5),
        (nn.LayerNorm(1), torch.empty(2, 1), 1),
        (nn.LayerNorm((3, 5)), torch.empty(2, 3, 5), 15),
    ],
)
def test_values_per_group(layer, x, values):
    assert ask(lambda n, x: n.norm(x), x.to("meta"), "values-per-group", norm=layer) == values


def test_a_guess_of_one_position_proves_nothing():
    x = torch.empty(2, 16, 1, 1, device="meta")
    norm = nn.GroupNorm(16, 16)
    assert ask(lambda n, x: n.norm(x), x, "values-per-group", norm=norm) == 1
    guessed = ask(lambda n, x: n.norm(x), x, "values-per-group", source="inferred", norm=norm)
    assert guessed is UNKNOWN


@pytest.mark.parametrize(
    ("code", "x", "scrambled"),
    [
        (lambda n, x: n.conv(x).view(2, -1, 16), IMAGES, True),
        (lambda n, x: n.conv(x).reshape(-1, 16), IMAGES, True),
        (lambda n, x: n.conv(x).view(2, 20, 28, 16), IMAGES, True),
        (lambda n, x: n.conv(x).view(2, 16, -1), IMAGES, False),
        (lambda n, x: n.conv(x).view(2, 4, 4, 20, 28), IMAGES, False),
        (lambda n, x: n.conv(x).view(2, -1), IMAGES, False),
        (lambda n, x: n.conv(x).mean((2, 3)).view(2, 1, 16), IMAGES, False),
        (lambda n, x: n.conv(x).permute(0, 2, 3, 1).reshape(2, -1, 16), IMAGES, False),
        (lambda n, x: n.fc(x).view(2, 6, 9), TOKENS, True),
        (lambda n, x: n.fc(x).view(2, 6, 3, 3), TOKENS, True),
        (lambda n, x: n.fc(x).view(2, 9, 2, 3), TOKENS, False),
        (lambda n, x: n.fc(x).transpose(1, 2).reshape(2, 6, 3, 3), TOKENS, False),
        (lambda n, x: n.fc(x).view(2, 6, 6, 3, 2), TOKENS.new_empty(2, 36, 8), False),
        (lambda n, x: n.rnn(x)[0].view(9, 2, 5), TOKENS, True),
    ],
)
def test_views_that_mix_positions(code, x, scrambled):
    assert ask(code, x, "scrambles", rnn=nn.GRU(8, 5, batch_first=True)) is scrambled


def test_a_view_that_may_fit_by_chance_is_none():
    square = torch.empty(2, 3, 16, 16, device="meta")
    assert ask(lambda n, x: n.conv(x).view(2, -1, 16), square, "scrambles") is False


@pytest.mark.parametrize(("swapped", "scrambled"), [(True, False), (False, True)])
def test_heads_that_are_merged_with_the_samples_are_none(swapped: bool, scrambled: bool) -> None:
    def attended(net, x):
        heads = net.wide(x).view(3, 16, 4)
        return heads.transpose(0, 1).softmax(-1) if swapped else heads.sum(1)

    guesses = Guesses((Guess((torch.empty(3, 4, 8, device="meta"),), origin=Origin("declared")),))
    view = View(trace_model(Net(attended, wide=nn.Linear(8, 16)), inputs=guesses))
    seen = next(op for op in view.ops if op.facts.get("class") == "view" or op.kind == "view")
    assert Facts(view).op(seen, "scrambles") is scrambled


def test_the_shift_of_relative_positions_is_none():
    def shifted(net, x):
        scores = torch.matmul(net.fc(x), net.fc(x).transpose(1, 2))
        return F.pad(scores, (1, 0)).view(2, 10, 9)

    assert ask(shifted, TOKENS, "scrambles") is False
