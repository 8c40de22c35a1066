from __future__ import annotations

import pytest

from bnlint.edits.syntax import SourceText
from bnlint.fixes.choose import choose, fix_of
from tests.unit.fixes.mending import PATH, InProcess, mend

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n"


def _forward(*lines: str) -> str:
    """A model with two blocks in order, so that the third is no convention."""
    body = "\n".join(f"        {line}" for line in lines)
    return f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 8, 3, bias=False)
        self.bn0 = nn.BatchNorm2d(8)
        self.conv1 = nn.Conv2d(8, 8, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 8, 3, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.drop = nn.Dropout(0.1)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.relu(self.bn0(self.conv0(x)))
        x = self.relu(self.bn1(self.conv1(x)))
{body}
        return self.head(x)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["x = self.bn(self.relu(self.conv(x)))"], ["x = self.relu(self.bn(self.conv(x)))"]),
        (["x = self.bn(F.relu(self.conv(x)))"], ["x = F.relu(self.bn(self.conv(x)))"]),
        (
            ["x = self.bn(F.relu(self.conv(x), inplace=True))"],
            ["x = F.relu(self.bn(self.conv(x)), inplace=True)"],
        ),
        (["x = self.bn(self.conv(x).relu())"], ["x = self.bn(self.conv(x)).relu()"]),
        (["x = self.bn(torch.relu(self.conv(x)))"], ["x = torch.relu(self.bn(self.conv(x)))"]),
        (
            ["y = self.conv(x)", "y = F.relu(y)  # switch", "x = self.bn(y)"],
            ["y = self.conv(x)", "y = self.bn(y)  # switch", "x = F.relu(y)"],
        ),
        (
            ["x = self.bn(", "    self.relu(", "        self.conv(x),  # c", "    )", ")"],
            ["x = self.relu(", "    self.bn(", "        self.conv(x),  # c", "    )", ")"],
        ),
        (
            ["x = self.bn(self.drop(self.relu(self.conv(x))))"],
            ["x = self.relu(self.drop(self.bn(self.conv(x))))"],
        ),
        (
            ["x = (", "    self.conv(x)", "    .relu()", ")", "x = self.bn(x)"],
            ["x = self.bn(self.conv(x))", "x = (", "    x", "    .relu()", ")"],
        ),
    ],
)
def test_calls_in_forward(before: list[str], after: list[str]) -> None:
    assert mend(_forward(*before), "BN101") == (_forward(*after), {})


def _listed(body: str) -> str:
    return f"""{HEAD}from collections import OrderedDict

stem = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
body = [nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
last = {body}
net = nn.Sequential(*stem, *body, last, nn.Conv2d(8, 4, 1))
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "nn.Sequential(nn.Conv2d(8, 8, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(8))",
            "nn.Sequential(nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())",
        ),
        (
            """nn.Sequential(
    nn.Conv2d(8, 8, 3, bias=False),
    nn.ReLU(inplace=True),  # switch
    nn.BatchNorm2d(
        8,
    ),  # norm
)""",
            """nn.Sequential(
    nn.Conv2d(8, 8, 3, bias=False),
    nn.BatchNorm2d(
        8,
    ),  # switch
    nn.ReLU(inplace=True),  # norm
)""",
        ),
        (
            """nn.Sequential(OrderedDict([
    ("conv", nn.Conv2d(8, 8, 3, bias=False)),
    ("act", nn.ReLU()),
    ("norm", nn.BatchNorm2d(8)),
]))""",
            """nn.Sequential(OrderedDict([
    ("conv", nn.Conv2d(8, 8, 3, bias=False)),
    ("norm", nn.BatchNorm2d(8)),
    ("act", nn.ReLU()),
]))""",
        ),
    ],
)
def test_members_of_a_list(before: str, after: str) -> None:
    assert mend(_listed(before), "BN101") == (_listed(after), {})


def test_layers_that_are_appended_one_by_one() -> None:
    code = f"""{HEAD}layers = []
for i in (3, 8):
    layers += [nn.Conv2d(i, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
layers.append(nn.Conv2d(8, 8, 3, bias=False))
layers.append(nn.ReLU())  # 2
layers.append(nn.BatchNorm2d(8))  # 1
net = nn.Sequential(*layers, nn.Conv2d(8, 4, 1))
"""
    expected = code.replace("nn.ReLU())  # 2", "nn.BatchNorm2d(8))  # 2")
    expected = expected.replace("nn.BatchNorm2d(8))  # 1", "nn.ReLU())  # 1")
    assert mend(code, "BN101") == (expected, {})


def test_a_bias_that_becomes_redundant_goes_along() -> None:
    before = _listed("nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(), nn.BatchNorm2d(8))")
    after = _listed("nn.Sequential(nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())")
    assert mend(before, "BN101") == (after, {})


def test_many_edits_hold_in_one_round_each_with_what_it_brings() -> None:
    lines = [f"x = self.bn{n}(self.relu(self.conv{n}(x)))" for n in (2, 3)]
    layers = (
        f"self.conv{n} = nn.Conv2d(8, 8, 3)\n        self.bn{n} = nn.BatchNorm2d(8)" for n in (2, 3)
    )
    code = _forward("x = self.relu(self.bn(self.conv(x)))", *lines)
    code = code.replace("self.relu = ", "\n        ".join((*layers, "self.relu = ")))
    session, texts = InProcess(), {PATH: SourceText(PATH, code)}
    looks = (session.look(texts[PATH]),)
    done = choose(session, looks, texts, lambda key, _: key[1] == "BN101")  # type: ignore[arg-type]
    fixes = [fix_of(held, texts[PATH]) for held in done.held]
    assert [f.message.count("pass bias=False") for f in fixes] == [1, 1]
    biases = [e.location.line for f in fixes for e in f.edits if "bias" in e.replacement]
    assert biases == [code[: code.index(f"self.conv{n} =")].count("\n") + 1 for n in (2, 3)]
    for n in (2, 3):
        assert f"self.conv{n} = nn.Conv2d(8, 8, 3, bias=False)" in done.texts[PATH].text
        assert f"x = self.relu(self.bn{n}(self.conv{n}(x)))" in done.texts[PATH].text


def test_a_norm_that_forward_builds_takes_the_bias_along_too() -> None:
    code = _forward("x = nn.BatchNorm2d(8)(nn.ReLU()(self.conv(x)))")
    code = code.replace(
        "self.conv = nn.Conv2d(8, 8, 3, bias=False)", "self.conv = nn.Conv2d(8, 8, 3)"
    )
    code = code.replace("        self.bn = nn.BatchNorm2d(8)\n", "")
    after = code.replace(
        "self.conv = nn.Conv2d(8, 8, 3)", "self.conv = nn.Conv2d(8, 8, 3, bias=False)"
    )
    after = after.replace("nn.BatchNorm2d(8)(nn.ReLU()(", "nn.ReLU()(nn.BatchNorm2d(8)(")
    assert mend(code, "BN101") == (after, {})


def test_a_swap_that_another_reader_would_feel_is_refused() -> None:
    lines = ["y = F.relu(self.conv(x))", "x = self.bn(y) * y.mean()"]
    text, refused = mend(_forward(*lines), "BN101")
    assert text == _forward(*lines)
    assert refused["bn"] == "mean() reads what lies between the two"


def test_a_forward_that_serves_a_fine_block_too_is_left_alone() -> None:
    code = f"""{HEAD}
class Block(nn.Module):
    def __init__(self, i, act):
        super().__init__()
        self.conv, self.act, self.bn = nn.Conv2d(i, 8, 3, bias=False), act, nn.BatchNorm2d(8)

    def forward(self, x):
        return self.bn(self.act(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = Block(3, nn.Identity()), Block(8, nn.Identity())
        self.c = Block(8, nn.ReLU())
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.head(self.c(self.b(self.a(x).relu()).relu()))
"""
    text, refused = mend(code, "BN101")
    assert text == code
    assert "the same line serves" in refused["c.bn"]


def test_a_dropout_goes_behind_the_norm() -> None:
    before = _forward("x = self.relu(self.bn(self.drop(self.conv(x))))")
    after = _forward("x = self.relu(self.drop(self.bn(self.conv(x))))")
    assert mend(before, "BN106") == (after, {})
