"""A view that puts an axis in another place without moving a value permutes the axes instead."""

from __future__ import annotations

import pytest

from tests.unit.fixes.mending import mend


def _net(view: str, layers: str, end: str, shape: str) -> str:
    return f"""import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {layers}

    def forward(self, x):
        {view}
        return {end}


if __name__ == "__main__":
    Net()(torch.randn({shape}))
"""


def _map(view: str) -> str:
    layers = "self.conv, self.fc = nn.Conv2d(3, 24, 3), nn.Linear(24, 4)"
    return _net(view, layers, "self.fc(x).mean(1)", "2, 3, 9, 8")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "x = self.conv(x).view(x.size(0), -1, 24)",
            "x = self.conv(x).permute(0, 2, 3, 1).reshape(x.size(0), -1, 24)",
        ),
        (
            "x = torch.reshape(self.conv(x), (2, -1, 24))",
            "x = torch.reshape(self.conv(x).permute(0, 2, 3, 1), (2, -1, 24))",
        ),
        (
            "x = torch.reshape(self.conv(x) + 1, (2, -1, 24))",
            "x = torch.reshape((self.conv(x) + 1).permute(0, 2, 3, 1), (2, -1, 24))",
        ),
        (
            "x = self.conv(x).reshape(-1, 7, 6, 24).mean(1)",
            "x = self.conv(x).permute(0, 2, 3, 1).mean(1)",
        ),
    ],
)
def test_a_map_as_vectors(before: str, after: str) -> None:
    assert mend(_map(before), "BN211") == (_map(after), {})


def test_columns_of_a_map_for_a_recurrent_layer() -> None:
    def net(view: str) -> str:
        layers = "self.conv, self.rnn = nn.Conv2d(1, 16, 3), nn.GRU(64, 8, batch_first=True)"
        return _net(f"x = self.conv(x){view}", layers, "self.rnn(x)[0].mean(1)", "2, 1, 6, 27")

    before, after = ".view(x.size(0), 25, -1)", ".permute(0, 3, 1, 2).reshape(x.size(0), 25, -1)"
    assert mend(net(before), "BN211") == (net(after), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = self.fc(x).view(n, 24, t)", "x = self.fc(x).transpose(1, 2)"),
        ("x = torch.reshape(self.fc(x), [n, 24, t])", "x = self.fc(x).transpose(1, 2)"),
        (
            "x = self.fc(x).reshape(n, 24, 5, 2).flatten(2)",
            "x = self.fc(x).transpose(1, 2).reshape(n, 24, 5, 2).flatten(2)",
        ),
    ],
)
def test_tokens_as_channels(before: str, after: str) -> None:
    def net(view: str) -> str:
        layers = "self.fc, self.conv = nn.Linear(8, 24), nn.Conv1d(24, 4, 3)"
        return _net(f"n, t, _ = x.shape\n        {view}", layers, "self.conv(x)", "2, 10, 8")

    assert mend(net(before), "BN211") == (net(after), {})


def test_the_batch_is_brought_to_the_front() -> None:
    def net(view: str) -> str:
        layers = "self.rnn, self.out = nn.GRU(8, 16), nn.Linear(16, 4)"
        return _net("x, _ = self.rnn(x)", layers, f"self.out(x{view})", "10, 3, 8")

    after = net(".transpose(0, 1)")
    assert mend(net(".view(x.size(1), x.size(0), 16)"), "BN211") == (after, {})


def test_what_needs_the_old_order_in_memory_stays() -> None:
    code = _map("x = self.conv(x).view(2, 7, 6, 24).view(2, 7, 144).view(2, 42, 24)")
    text, refused = mend(code, "BN211")
    assert text == code
    assert "fails: view size is not compatible" in refused["view()"]
