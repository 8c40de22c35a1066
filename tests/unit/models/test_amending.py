"""Guessed arguments are changed to what the error of a constructor asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.domain.graph import ModelGraph
from tests.unit.models.test_discovery import records_of

PLAIN = "ACTS = {'gelu': nn.GELU, 'silu': nn.SiLU}"
OWN = """
class Acts(dict):
    def __getitem__(self, key):
        cls, kwargs = super().__getitem__(key), {}
        return cls

ACTS = Acts(gelu=nn.GELU, silu=nn.SiLU)
"""
CODE = """
from torch import nn

%s

class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.hidden_size)
        self.act = ACTS[config.hidden_act]()

    def forward(self, x):
        return self.act(self.up(x))
"""


@pytest.mark.parametrize("table", [PLAIN, OWN])
def test_a_key_is_one_that_the_dict_has(tmp_path: Path, table: str) -> None:
    file = tmp_path / "net.py"
    file.write_text(CODE % table)
    graph = records_of(file)[0]
    assert isinstance(graph, ModelGraph)
    assert [op.kind for op in graph.ops] == ["input", "linear", "gelu", "output"]
