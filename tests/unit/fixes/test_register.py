"""A layer that forward builds is built in the constructor, and so registered."""

from __future__ import annotations

import pytest

from tests.unit.fixes.mending import mend


def _net(built: str, forward: str) -> str:
    return f"""import torch
import torch.nn as nn

RATE = 0.3


class Net(nn.Module):
    def __init__(self, p=0.2, width=16):
        super().__init__()
        self.p, self.width = p, width
        self.fc = nn.Linear(8, width)
        self.out = nn.Linear(width, 4){built}
        self.apply(lambda m: None)

    def forward(self, x):
        {forward}
        return self.out(x)
"""


@pytest.mark.parametrize(
    ("before", "built", "after"),
    [
        (
            "x = nn.Dropout(0.5)(self.fc(x).relu())",
            "self.dropout = nn.Dropout(0.5)",
            "x = self.dropout(self.fc(x).relu())",
        ),
        (
            "drop = nn.Dropout(p=self.p)\n        x = drop(self.fc(x).relu())",
            "self.drop = nn.Dropout(p=self.p)",
            "drop = self.drop\n        x = drop(self.fc(x).relu())",
        ),
        (
            "for _ in range(2):\n            x = nn.AlphaDropout(RATE)(x)\n        x = self.fc(x)",
            "self.alphadropout = nn.AlphaDropout(RATE)",
            "for _ in range(2):\n            x = self.alphadropout(x)\n        x = self.fc(x)",
        ),
        (
            "fc = nn.Dropout(0.5)\n        x = fc(self.fc(x))",
            "self.fc2 = nn.Dropout(0.5)",
            "fc = self.fc2\n        x = fc(self.fc(x))",
        ),
    ],
)
def test_a_dropout(before: str, built: str, after: str) -> None:
    expected = _net(f"\n        {built}", after)
    assert mend(_net("", before), "BN306") == (expected, {})


def test_two_get_two_names() -> None:
    before = "x = nn.Dropout(0.1)(self.fc(nn.Dropout(0.2)(x)).relu())"
    text, _ = mend(_net("", before), "BN306")
    assert "x = self.dropout(self.fc(self.dropout2(x)).relu())" in text
    assert "self.dropout = nn.Dropout(0.1)\n        self.dropout2 = nn.Dropout(0.2)\n" in text


def test_a_layer_with_weights() -> None:
    before = "x = nn.Linear(self.width, 16)(self.fc(x).relu()).relu()"
    built = "\n        self.linear = nn.Linear(self.width, 16)"
    after = "x = self.linear(self.fc(x).relu()).relu()"
    assert mend(_net("", before), "BN403") == (_net(built, after), {})


def test_dropouts_in_a_plain_list() -> None:
    built = "\n        self.drops = [nn.Dropout(0.5), nn.Dropout(0.2)]"
    forward = "x = self.drops[1](self.fc(self.drops[0](x)).relu())"
    text, _ = mend(_net(built, forward), "BN306")
    assert "self.drops = nn.ModuleList([nn.Dropout(0.5), nn.Dropout(0.2)])" in text


@pytest.mark.parametrize(
    ("rule", "forward", "reason"),
    [
        ("BN403", "x = nn.Linear(8, x.size(1) * 2)(x)\n        x = self.fc(x[:, :8])", "`x`"),
        ("BN403", "n = 8\n        x = self.fc(nn.Linear(8, n)(x).relu())", "`n`"),
        ("BN403", "x = self.fc(nn.Linear(8, self.fc.in_features)(x).relu())", ""),
        (
            "BN403",
            "for _ in range(2):\n            x = nn.Linear(8, 8)(x)\n        x = self.fc(x)",
            "in a loop",
        ),
        ("BN306", "x = self.fc(nn.Dropout(self.late)(x))", "`self.late`"),
    ],
)  # fmt: skip
def test_what_the_constructor_cannot_know_stays(rule: str, forward: str, reason: str) -> None:
    code = _net("", forward).replace("RATE = 0.3", "nn.Module.late = 0.3")
    text, refused = mend(code, rule)
    assert (text == code) == bool(reason)
    assert reason in " ".join(refused.values())
