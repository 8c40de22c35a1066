"""Models with ``flex_attention``, which torch runs on some devices only."""

from __future__ import annotations

from tests.unit.isolation.conftest import Check

SOURCE = """
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


class Block(nn.Module):
    def __init__(self, dim=64, heads=4):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.bias = nn.Parameter(torch.zeros(heads))
        self.head = nn.Linear(dim, 10)

    def forward(self, x, mask):
        b, t, c = x.shape
        inside = lambda b, h, q, k: mask[b, k]
        shifted = lambda score, b, h, q, k: score + self.bias[h]
        q, k, v = self.qkv(self.norm(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        blocks = create_block_mask(inside, B=b, H=None, Q_LEN=t, KV_LEN=t, device=x.device)
        y = torch.compile(flex_attention)(q, k, v, shifted, blocks)
        return self.head(y.transpose(1, 2).reshape(b, t, c))
"""


def test_a_model_with_functions_as_masks_is_seen_whole(check: Check) -> None:
    outcome = check(SOURCE)
    assert outcome.problems == ()
    (graph,) = outcome.graphs
    assert graph.trace.complete
    assert [op.layer for op in graph.ops if op.error] == []
    assert graph.ref.inputs.shapes == ((2, 16, 64), (2, 64))
