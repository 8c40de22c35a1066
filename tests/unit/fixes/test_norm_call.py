"""A norm that was built for a layer and is never called is called after it."""

from __future__ import annotations

import pytest

from tests.unit.fixes.mending import mend


def _net(forward: str, conv2: str = "nn.Conv2d(8, 16, 3, bias=False)", norm: str = "") -> str:
    return f"""import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = {conv2}
        self.bn2 = {norm or "nn.BatchNorm2d(16)"}
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        {forward}
        return self.head(x)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = F.relu(self.conv2(x))", "x = F.relu(self.bn2(self.conv2(x)))"),
        ("x = self.conv2(x).relu()", "x = self.bn2(self.conv2(x)).relu()"),
        ("x = getattr(self, 'conv2')(x).relu()", ""),
        ("for layer in (self.conv2, F.relu):\n            x = layer(x)", ""),
    ],
)
def test_it_is_called_where_the_layer_is(before: str, after: str) -> None:
    text, refused = mend(_net(before), "BN102")
    assert text == _net(after or before)
    assert after or "not plain to see" in refused["conv2"]


def test_a_bias_that_becomes_redundant_goes_along() -> None:
    before = _net("x = self.conv2(x).relu()", "nn.Conv2d(8, 16, 3)")
    after = _net("x = self.bn2(self.conv2(x)).relu()")
    assert mend(before, "BN102")[0] == after


def test_a_norm_for_another_rank_is_refused() -> None:
    code = _net("x = self.conv2(x).relu()", norm="nn.BatchNorm1d(16)")
    text, refused = mend(code, "BN102")
    assert text == code
    assert "fails" in refused["conv2"] or "BN202" in refused["conv2"]


def test_it_is_called_rather_than_removed() -> None:
    code = _net("x = self.conv2(x).relu()")
    text, refused = mend(code, "BN402")
    assert text == code
    assert refused["bn2"] == "`conv2` has no norm, and this one may be meant for it (BN102)"
    assert mend(code, "BN402", "BN102")[0] == _net("x = self.bn2(self.conv2(x)).relu()")


def test_blocks_that_share_the_line_are_all_mended() -> None:
    net = f"""{_net("x = self.conv2(x).relu()")}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = Block(), Block()

    def forward(self, x):
        return self.left(x).mean() + self.right(x).mean()
"""
    after = net.replace("self.conv2(x).relu", "self.bn2(self.conv2(x)).relu")
    assert mend(net, "BN102")[0] == after
