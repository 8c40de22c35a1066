"""Results that nothing reads: forgotten by the source, or left aside by an option or a caller."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.tracing.file import trace_source

NET = """
import torch
import torch.nn as nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.side = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x, both=False):
        y = self.fc(x).relu()
        return (y, self.side(x)) if both else y

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = Block(), Block()
        self.blocks = nn.ModuleList([Block(), Block()])

    def forward(self, x, wanted=None):
        {}
"""

CASES = {
    "a block is overwritten": ("y = self.one(x)\n        y = self.two(x)\n        return y", True),
    "each round forgets the last": (
        "for block in self.blocks:\n            y = block(x)\n        return y",
        True,
    ),
    "each round reads the last": (
        "for block in self.blocks:\n            x, y = block(x, both=True)\n        return x",
        False,
    ),
    "half of what a block returns": ("y, _ = self.one(x, both=True)\n        return y", False),
    "all of what a block returns": ("self.one(x, both=True)\n        return self.two(x)", True),
    "an option would return it": (
        "y = self.one(x)\n        return y if wanted else self.two(x)",
        False,
    ),
    "the last of a list": ("ys = [b(x) for b in self.blocks]\n        return ys[-1]", False),
    "a list that nobody reads": ("ys = [b(x) for b in self.blocks]\n        return x * 2", True),
}


@pytest.mark.parametrize(("body", "forgotten"), CASES.values(), ids=CASES.keys())
def test_a_result_that_nothing_reads(body: str, forgotten: bool, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(NET.format(body))
    graphs = trace_source(file.read_text(), str(file))
    graph = next(g for g in graphs if g.ref.name == "Net")
    read = {edge.source for edge in graph.edges}
    unread = [op for op in graph.ops if op.id not in read and "output" not in op.tags]
    assert unread
    assert {op.facts.get("dropped", False) for op in unread} == {forgotten}
