from __future__ import annotations

import functools

import pytest
from torch import nn

from bnlint.tracing.describing.mentions import is_mentioned, is_optional


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.called = nn.Linear(2, 2)
        self.decoder = nn.Linear(2, 2)
        self.initialised = nn.Linear(2, 2)
        self.by_string = nn.Linear(2, 2)
        self.shown = nn.Linear(2, 2)
        self.forgotten = nn.Linear(2, 2)
        self.stack = nn.ModuleList([nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))])
        self._reset()

    def _reset(self):
        nn.init.zeros_(self.initialised.weight)

    def forward(self, x):
        for layer in self.stack[:1]:
            x = layer(x)
        return self._inner(self.called(x))

    def _inner(self, x):
        return [getattr(self, "by_string")(y) for y in x]  # noqa: B009

    def decode(self, x):
        return self.decoder(x)

    @property
    def shown_weight(self):
        return self.shown.weight


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("called", True),
        ("decoder", True),
        ("by_string", True),
        ("shown", True),
        ("stack.0", True),
        ("stack.1.0", True),
        ("initialised", False),
        ("forgotten", False),
    ],
)
def test_is_mentioned(path, expected):
    assert is_mentioned(path, dict(Net().named_modules())) is expected


def test_a_sequence_runs_all_it_holds():
    net = nn.Sequential(nn.Linear(2, 2))
    assert is_mentioned("0", dict(net.named_modules())) is True


def plainly(method):
    """A decorator that does not say what it wraps."""

    def run(*args):
        return method(*args)

    return run


def politely(method):
    @functools.wraps(method)
    def run(*args):
        return method(*args)

    return run


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.own = nn.Linear(2, 2)
        self.cross = nn.Linear(2, 2)
        self.forgotten = nn.Linear(2, 2)
        self.read_above = nn.Linear(2, 2)

    @politely
    @plainly
    @politely
    def forward(self, x, context):
        return self.own(x) + self.cross(context)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block()])
        self.plain = Net()
        self.forgotten = None

    def forward(self, x, context=None):
        return self.blocks[0](self.plain(x), context)

    def loss(self, x):
        return self.blocks[0].read_above(x), self.forgotten


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("blocks.0.cross", True),
        ("blocks.0.read_above", True),
        ("blocks.0.forgotten", False),
        ("plain.forgotten", False),
    ],
)
def test_methods_below_decorators_and_classes_further_up_speak_too(path, expected):
    assert is_mentioned(path, dict(Decoder().named_modules())) is expected


def test_an_input_with_a_default_may_stand_further_up():
    assert is_optional("blocks.0.cross", dict(Decoder().named_modules()))
    assert not is_optional("cross", dict(Block().named_modules()))
    assert not is_optional("called", dict(Net().named_modules()))


class Numbered(nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("stage_1", "up2", "mid_x_conv", "tail", "stage", "other_1"):
            setattr(self, name, nn.Linear(2, 2))

    def forward(self, x, number):
        x = getattr(self, f"stage_{number}")(x)
        x = getattr(self, "up%d" % number)(x)  # noqa: UP031
        return self._mid(x, "x")

    def _mid(self, x, letter):
        return getattr(self, "mid_{}_conv".format(letter))(x)  # noqa: UP032


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("stage_1", True),
        ("up2", True),
        ("mid_x_conv", True),
        ("tail", False),
        ("stage", False),
        ("other_1", False),
    ],
)
def test_a_name_that_forward_puts_together_is_a_mention(path, expected):
    assert is_mentioned(path, dict(Numbered().named_modules())) is expected
