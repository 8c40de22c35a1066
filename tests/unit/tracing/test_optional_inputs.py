"""Inputs that are None by default are given where the forward needs them, and prove no fault."""

from __future__ import annotations

import pytest
import torch

from bnlint.domain.graph import ModelGraph
from bnlint.engine.catalogue import built_in_files, load_rules
from bnlint.engine.check import check_graph
from bnlint.tracing.file import trace_source

HEAD = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.near = nn.Linear(32, 16)
        self.far = nn.Linear(32, 17)
        self.table = nn.Embedding(100, 3)
        self.rnn = nn.GRU(3, 4, batch_first=True)
"""


def traced(forward: str) -> ModelGraph:
    (graph,) = trace_source(HEAD + forward, "net.py")
    return graph


def errors(graph: ModelGraph) -> list[str]:
    rules = [rule for rule in load_rules(built_in_files()) if rule.id == "BN206"]
    return [finding.message for finding in check_graph(graph, rules).findings]


UNASKED = """
    def forward(self, x, cond=None):
        return self.bn(self.conv(x)) + self.near(cond)[:, :, None, None]
"""
ASKED = """
    def forward(self, x, cond=None):
        if cond is None:
            raise ValueError("cond is needed here")
        return self.bn(self.conv(x)) + self.near(cond)[:, :, None, None]
"""
LENGTHS = """
    def forward(self, words, lengths=None):
        x = self.table(words)
        x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        x, _ = self.rnn(x)
        return nn.utils.rnn.pad_packed_sequence(x, batch_first=True)[0]
"""


OLD = pytest.mark.skipif(
    torch.__version__.startswith("2.4."), reason="torch 2.4 converts lengths that are traced"
)


@pytest.mark.parametrize("forward", [UNASKED, ASKED, pytest.param(LENGTHS, marks=OLD)])
def test_an_input_that_the_forward_needs_is_given(forward: str) -> None:
    graph = traced(forward)
    assert graph.trace.complete
    assert graph.trace.unfit is None
    assert len(graph.ref.inputs.shapes) == 2
    assert errors(graph) == []


def test_an_input_that_it_does_not_need_is_not_given() -> None:
    graph = traced("""
    def forward(self, x, cond=None):
        x = self.bn(self.conv(x))
        return x if cond is None else x + self.near(cond)[:, :, None, None]
""")
    assert len(graph.ref.inputs.shapes) == 1


def test_a_failure_with_it_is_no_error() -> None:
    graph = traced(UNASKED.replace("near", "far"))
    assert errors(graph) == []
    assert graph.trace.unfit is not None


def test_a_failure_that_has_nothing_to_do_with_it_is_one() -> None:
    graph = traced("""
    def forward(self, x, cond=None):
        x = self.bn(self.conv(x)) + self.conv(x)[:, :8]
        return x if cond is None else x + self.near(cond)
""")
    assert len(errors(graph)) == 1


def test_a_place_in_a_cache_is_a_number_that_starts_at_zero() -> None:
    (graph,) = trace_source(
        """
import torch
from torch import nn

class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(32, 32)
        self.cache = torch.zeros(2, 64, 32)

    def forward(self, x, start):
        n = x.shape[1]
        self.cache = self.cache.to(x)
        self.cache[:2, start : start + n] = self.proj(x)
        return self.cache[:2, : start + n] + x

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(100, 32)
        self.attention = Attention()

    def forward(self, tokens, start: int):
        return self.attention(self.words(tokens), start)
""",
        "net.py",
    )
    assert graph.trace.complete
    assert errors(graph) == []
    assert graph.ref.inputs.shapes == ((2, 16),)


COUNTED = """
    def forward(self, words, first_length: {hint} = None, cond=None):
        if cond is None:
            raise ValueError("cond is needed here")
        first_length = words.shape[1] if first_length is None else first_length
        if first_length < words.shape[1]:
            raise ValueError("not in this model")
        return self.rnn(self.table(words))[0][:, :first_length] + self.near(cond).sum()
"""


@pytest.mark.parametrize("hint", ["int", "int | None", "'int | None'", "'Optional[int]'"])
def test_a_tensor_that_is_needed_is_given_without_the_numbers_beside_it(hint: str) -> None:
    graph = traced(COUNTED.format(hint=hint))
    assert graph.trace.complete
    assert [len(shape) for shape in graph.ref.inputs.shapes] == [2, 2]
