from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.probing.probe_model import probe
from bnlint.probing.showing.exports import sections
from bnlint.probing.showing.progress_bar import progress_bar
from bnlint.probing.trying.steps_shown import shown_by
from tests.unit.probing.nets import mlp


@pytest.fixture(scope="module")
def bare():
    torch.manual_seed(0)
    return probe(mlp(2), torch.randn(64, 32), compare=True, steps=3)


def names(result) -> list[str]:
    return [name for name, _ in result.comparison.distinct]


def test_the_model_as_written_is_shown_once(bare) -> None:
    assert names(bare) == ["none (as written)", "before", "after"]
    torch.manual_seed(0)
    normed = nn.Sequential(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))
    result = probe(normed, torch.randn(64, 32), compare=True, steps=3)
    assert names(result) == ["none", "before (as written)", "after"]
    own = nn.Sequential(nn.Linear(32, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 10))
    result = probe(own, torch.randn(64, 32), compare=True, steps=3)
    assert names(result) == ["none", "before", "after", "as-written"]


def test_the_table_says_what_the_losses_are_of(bare) -> None:
    random = str(bare)
    assert "cross-entropy with random labels on 64 given samples" in random
    assert "--data, --loss" in random
    assert any("--data, --loss" in line for line in sections(bare)[1].lines)
    x, y = torch.randn(64, 32), torch.randint(10, (64,))
    mine = probe(mlp(2), x, targets=y, loss=F.cross_entropy, compare=True, steps=1)
    assert "--data, --loss" not in str(mine)
    noise = probe(mlp(2), inputs="1x32", samples=32, compare=True, steps=1)
    assert "on 32 samples of N(0, 1) noise" in str(noise)


def test_losses_have_digits_enough(bare) -> None:
    first = bare.comparison.variants[0]
    close = replace(first, curves=tuple(replace(c, losses=(2.3031, 2.28)) for c in first.curves))
    shown = replace(bare, comparison=replace(bare.comparison, variants=(close,)))
    assert "2.303" in str(shown)
    assert "2.280" in str(shown)
    (table,) = sections(shown)[1].tables
    assert table.rows[0][-4:] == ("2.303", "2.280", "2.280", "2.280")


class Cut(nn.Module):
    """No gradient reaches the layers before the last."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = mlp(2), nn.Linear(10, 10)

    def forward(self, x):
        return self.head(self.body(x).detach() * 0)


def found(model: nn.Module, **how) -> list[str]:
    torch.manual_seed(0)
    result = probe(model, torch.randn(256, 32), compare=True, **how)
    return [f.name for f in result.report.findings]


def test_nothing_trains() -> None:
    assert "nothing-trains" in found(Cut(), steps=12)
    assert "nothing-trains" not in found(Cut(), steps=5), "too few steps to say that"
    assert "nothing-trains" not in found(mlp(2), steps=12)


def test_progress_ends_where_it_was_expected_to() -> None:
    seen = []
    with shown_by(lambda _, done, total: seen.append((done, total))):
        probe(mlp(1), torch.randn(16, 32), compare=True, steps=2)
    assert seen[-1][0] == seen[-1][1] == len(seen) == 3 * 3 * 3


def test_the_bar_is_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        terminal = True

        def isatty(self) -> bool:
            return self.terminal

    for terminal in (True, False):
        stream = Terminal()
        stream.terminal = terminal
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar():
            probe(mlp(1), torch.randn(16, 32), compare=True, steps=2)
        assert bool(stream.getvalue()) is terminal
