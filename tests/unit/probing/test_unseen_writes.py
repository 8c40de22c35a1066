"""State that torch does not see change is put back by the probe, or named."""

from __future__ import annotations

import ctypes
import random
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bnlint.probing.probe_model import probe
from bnlint.probing.untouched import Untouched
from tests.unit.snapshot import changes, snapshot


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Interrupts raise, as in a terminal, also in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Box:
    count = 0

    def __init__(self) -> None:
        self.number, self.tensor = 0, torch.zeros(2)


class Slots:
    __slots__ = ("empty", "number")

    def __init__(self) -> None:
        self.number = 0


class Net(nn.Module):
    total = 0

    def __init__(self, write: Callable[[Any], object]) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(6, 6), nn.BatchNorm1d(6)
        self.box, self.slots, self.plain = Box(), Slots(), SimpleNamespace(number=0)
        self.array, self.objects = np.zeros(3), np.array([[1], [2]], dtype=object)
        self.random, self.legacy = np.random.default_rng(0), np.random.RandomState(0)
        self.python, self.bytes = random.Random(0), bytearray(3)
        self.view = self.fc.weight.detach().numpy()
        self.write = write

    def forward(self, x):
        with torch.no_grad():
            self.write(self)
        return torch.relu(self.norm(self.fc(x)))


def state(net: Net) -> Any:
    hidden = [net.slots.number, hasattr(net.slots, "empty"), Box.count, Net.total]
    drawn = [str(net.random.bit_generator.state), str(net.legacy.get_state()), bytes(net.bytes)]
    return {"seen": snapshot(net), "unseen": [*hidden, *drawn, hasattr(Net, "added")]}


def on_backward(net: Net) -> None:
    def hook(*_: object) -> None:
        net.fc.weight.data.mul_(0.5)

    net.fc.register_full_backward_hook(hook)


def on_gradient(net: Net) -> None:
    def hook(_: object) -> None:
        net.fc.weight.detach().numpy().fill(3)

    net.fc.bias.register_hook(hook)


def on_forward(net: Net) -> None:
    def hook(*_: object) -> None:
        net.fc.weight.data.mul_(0.5)

    net.fc.register_forward_hook(hook)


def nothing(_: object) -> None:
    pass


WRITES: dict[str, Callable[[Any], object]] = {
    "an attribute of an object": lambda net: setattr(net.box, "number", 1),
    "a tensor of an object": lambda net: net.box.tensor.add_(1),
    "a new attribute": lambda net: setattr(net.plain, "more", 1),
    "a slot": lambda net: setattr(net.slots, "number", 1),
    "an empty slot": lambda net: setattr(net.slots, "empty", 1),
    "an attribute of a class": lambda net: setattr(Box, "count", Box.count + 1),
    "an attribute of the model's class": lambda net: setattr(Net, "total", Net.total + 1),
    "a new attribute of the model's class": lambda net: setattr(Net, "added", 1),
    "an array": lambda net: net.array.__iadd__(1),
    "what an array holds": lambda net: net.objects[0, 0].__class__ and net.objects.fill(3),
    "bytes": lambda net: net.bytes.extend(b"more"),
    "a generator of numpy": lambda net: net.random.random(),
    "an old generator of numpy": lambda net: net.legacy.rand(),
    "a generator of Python": lambda net: net.python.random(),
    "a weight, as an array": lambda net: net.fc.weight.numpy().fill(3),
    "a weight, as an array of data": lambda net: np.asarray(net.fc.weight.data).fill(3),
    "a weight, through its storage": lambda net: net.fc.weight.untyped_storage().fill_(0),
    "a weight, through an array held before": lambda net: net.view.fill(3),
}
HOOKS: dict[str, Callable[[Any], object]] = {
    "after the forward": on_forward,
    "in the backward": on_backward,
    "of a gradient": on_gradient,
}


@pytest.mark.hostile
@pytest.mark.parametrize("name", WRITES)
def test_what_a_forward_writes_is_put_back(name: str) -> None:
    net, x = Net(WRITES[name]), torch.randn(16, 6)
    before = state(net)
    assert not [n for n in probe(net, x).notes if "not restored" in n]
    assert changes(before, state(net)) == []
    net(x)
    assert changes(before, state(net)) != []
    Box.count = Net.total = 0
    if hasattr(Net, "added"):
        del Net.added


@pytest.mark.hostile
@pytest.mark.filterwarnings("ignore:Full backward hook")
@pytest.mark.parametrize("name", HOOKS)
def test_what_a_hook_writes_is_put_back(name: str) -> None:
    net, x = Net(nothing), torch.randn(16, 6)
    HOOKS[name](net)
    before = state(net)
    probe(net, x)
    assert changes(before, state(net)) == []
    net(x).sum().backward()
    assert changes(before, state(net)) != []


@pytest.mark.hostile
def test_a_weight_that_was_written_unseen_is_restored_or_named() -> None:
    """The passes that start from the state before restore it; ``test_an_error_names_it_too``."""
    net = Net(lambda net: ctypes.memset(net.fc.weight.data_ptr(), 1, 8))
    net.view = None
    before = net.fc.weight.detach().clone()
    notes = [n for n in probe(net, torch.randn(16, 6)).notes if "not restored" in n]
    assert torch.equal(before, net.fc.weight) == (not notes)
    assert all("`fc.weight`" in note and "norm" not in note for note in notes)


def test_an_error_names_it_too() -> None:
    def fails(net: Net) -> None:
        ctypes.memset(net.fc.weight.data_ptr(), 1, 8)
        raise KeyboardInterrupt

    net = Net(fails)
    net.view = None
    with pytest.raises(KeyboardInterrupt) as caught:
        probe(net, torch.randn(16, 6))
    assert "`fc.weight`" in caught.value.__notes__[0]


@pytest.mark.hostile
@pytest.mark.parametrize("moment", range(6))
def test_an_interrupt_while_putting_back_waits(moment: int, monkeypatch) -> None:
    """Sent from each step of the restoration in turn, it arrives after the last."""
    net, x, steps = Net(lambda net: net.fc.weight.mul_(0.5)), torch.randn(16, 6), []
    net.fc.weight.grad = torch.ones(6, 6)
    before = state(net)
    plain = Untouched.__dict__["_keep"]

    def keep(self: Any) -> None:
        plain(self)

        def step(put_back: Callable[[], object]) -> Callable[[], object]:
            def run() -> object:
                if len(steps) == moment * 5:
                    signal.raise_signal(signal.SIGINT)
                steps.append(put_back)
                return put_back()

            return run

        self._before = tuple(map(step, self._before))

    monkeypatch.setattr(Untouched, "_keep", keep)
    with pytest.raises(KeyboardInterrupt):
        probe(net, x)
    assert len(steps) > moment * 5
    assert changes(before, state(net)) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_in_the_forward_ends_the_probe() -> None:
    net = Net(lambda net: (net.fc.weight.mul_(0.5), signal.raise_signal(signal.SIGINT)))
    x = torch.randn(16, 6)
    before = state(net)
    with pytest.raises(KeyboardInterrupt):
        probe(net, x)
    assert changes(before, state(net)) == []
