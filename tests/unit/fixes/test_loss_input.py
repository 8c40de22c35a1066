"""The activation before a loss goes, or becomes what the loss expects."""

from __future__ import annotations

import pytest

from tests.unit.fixes.mending import mend

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n"


def _net(built: list[str], called: list[str], loss: str = "F.cross_entropy(net(x), y)") -> str:
    """A model with some lines at its end, and a loop that trains it."""
    lines = [f"        {line}\n" for line in built]
    body = "\n".join(f"        {line}" for line in called)
    return f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 16)
        self.head = nn.Linear(16, 1)
{"".join(lines)}
    def forward(self, x):
        x = self.head(self.fc(x).relu())
{body}


def train(batches):
    net = Net()
    for x, y in batches:
        loss = {loss}
        loss.backward()
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["return F.softmax(x, dim=-1)"], ["return x"]),
        (["return torch.softmax(x, -1), x.relu()"], ["return x, x.relu()"]),
        (["out = x.softmax(dim=-1)", "return out"], ["out = x", "return out"]),
        (["x = F.softmax(x, dim=-1)", "return x"], ["return x"]),
        (["return nn.Softmax(dim=-1)(x)"], ["return x"]),
        (["return torch.sigmoid(x).squeeze(1)"], ["return x.squeeze(1)"]),
    ],
)
def test_a_call_is_replaced_by_its_input(before: list[str], after: list[str]) -> None:
    loss = "F.cross_entropy(net(x), y)"
    if "sigmoid" in before[0]:
        loss = "F.binary_cross_entropy_with_logits(net(x), y)"
    if "," in before[0] and "relu" in before[0]:
        loss = "F.cross_entropy(net(x)[0], y)"
    assert mend(_net([], before, loss), "BN601") == (_net([], after, loss), {})


def test_a_layer_goes_with_its_call() -> None:
    before = _net(["self.last = nn.Softmax(dim=-1)"], ["return self.last(x)"])
    assert mend(before, "BN601") == (_net([], ["return x"]), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("F.softmax(x, dim=-1)", "F.log_softmax(x, dim=-1)"),
        ("x.softmax(-1)", "x.log_softmax(-1)"),
    ],
)
def test_logarithms_for_the_likelihood(before: str, after: str) -> None:
    loss = "F.nll_loss(net(x), y)"
    fixed = _net([], [f"return {after}"], loss)
    assert mend(_net([], [f"return {before}"], loss), "BN601") == (fixed, {})


def test_a_softmax_layer_becomes_a_log_softmax() -> None:
    called, loss = ["return self.last(x)"], "nn.NLLLoss()(net(x), y)"
    before = _net(["self.last = nn.Softmax(dim=-1)"], called, loss)
    assert mend(before, "BN601") == (
        _net(["self.last = nn.LogSoftmax(dim=-1)"], called, loss),
        {},
    )


@pytest.mark.parametrize(
    ("called", "loss", "reason"),
    [
        (
            ["p = x.softmax(-1)", "return p, p * self.fc.weight.mean()"],
            "F.cross_entropy(net(x)[0], y)",
            "more than the loss",
        ),
        (
            ["return x.softmax(-1)"],
            "F.cross_entropy(net(x), y) + F.mse_loss(net(x), y)",
            "expect different inputs",
        ),
        (["return x.sigmoid()"], "F.nll_loss(net(x), y)", "is no softmax"),
    ],
)
def test_what_something_else_needs_stays(called: list[str], loss: str, reason: str) -> None:
    text, refused = mend(_net([], called, loss), "BN601")
    assert text == _net([], called, loss)
    assert reason in str(refused)
