from __future__ import annotations

import pytest
from torch import nn

from bnlint.tracing.describing.inventory import is_mentioned


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
