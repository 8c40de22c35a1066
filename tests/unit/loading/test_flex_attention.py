"""Attention whose mask and scores are functions, by its formula instead of a compiled kernel."""

from __future__ import annotations

import pytest
import torch

from bnlint.loading.flex_attention import create_block_mask, flex_attention


def causal(b, h, q, k):
    return q >= k


def relative(score, b, h, q, k):
    return score + 0.1 * (q - k) * (h + 1)


@pytest.mark.parametrize("score_mod", [None, relative])
@pytest.mark.parametrize("mask_mod", [None, causal])
@pytest.mark.parametrize("heads", [2, 4])
def test_the_formula_gives_what_torch_gives(score_mod, mask_mod, heads):
    own = pytest.importorskip("torch.nn.attention.flex_attention")
    torch.manual_seed(0)
    query = torch.randn(2, 4, 16, 8)
    key, value = torch.randn(2, 2, heads, 16, 8)
    blocks = mask_mod and own.create_block_mask(mask_mod, None, None, 16, 16, device="cpu")
    wanted = own.flex_attention(query, key, value, score_mod, blocks, enable_gqa=heads == 2)
    mask = mask_mod and create_block_mask(mask_mod, None, None, 16, 16)
    found = flex_attention(query, key, value, score_mod, mask, enable_gqa=heads == 2)
    torch.testing.assert_close(found, wanted)
