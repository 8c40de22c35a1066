from __future__ import annotations

import pytest

from tests.unit.fixes.mending import mend

HEAD = "import torch.nn as nn\nimport torch.nn.functional as F\n\n"


def _net(line: str) -> str:
    return f"{HEAD}net = nn.Sequential(\n    {line},\n    nn.BatchNorm2d(8),\n    nn.ReLU(),\n)\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 3, bias=False)"),
        ("nn.Conv2d(3, 8, 3,)", "nn.Conv2d(3, 8, 3, bias=False,)"),
        ("nn.Conv2d(3, 8, (3))", "nn.Conv2d(3, 8, (3), bias=False)"),
        ("nn.Conv2d(3, 8, 3, bias=True)", "nn.Conv2d(3, 8, 3, bias=False)"),
        ("nn.Conv2d(3, 8, 3, bias = (True) )", "nn.Conv2d(3, 8, 3, bias = False )"),
        ("nn.Conv2d(3, 8, 3, 1, 0, 1, 1, True)", "nn.Conv2d(3, 8, 3, 1, 0, 1, 1, False)"),
        ("nn.Conv2d(*(3, 8, 3), bias=True)", "nn.Conv2d(*(3, 8, 3), bias=False)"),
        (
            "nn.Conv2d(\n        3,\n        8,\n        3,  # square\n    )",
            "nn.Conv2d(\n        3,\n        8,\n        3,  # square\n        bias=False,\n    )",
        ),
        (
            "nn.Conv2d(\n        3,\n        8,\n        3  # a square\n    )",
            "nn.Conv2d(\n        3,\n        8,\n        3,  # a square\n        bias=False\n    )",
        ),
        (
            "nn.Conv2d(\n        3, 8, 3  # a square\n    )",
            "nn.Conv2d(\n        3, 8, 3, bias=False  # a square\n    )",
        ),
        (
            "nn.Conv2d(3,  # ünïcode\n        8, 3)",
            "nn.Conv2d(3,  # ünïcode\n        8, 3, bias=False)",
        ),
        (
            "nn.ConvTranspose2d(3, 8, 3, 1, 0, 0, 1, True, 1)",
            "nn.ConvTranspose2d(3, 8, 3, 1, 0, 0, 1, False, 1)",
        ),
    ],
)
def test_a_bias_goes_and_the_rest_of_the_text_stays(before: str, after: str) -> None:
    assert mend(_net(before), "BN301") == (_net(after), {})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nn.Conv2d(*(3, 8, 3))", "forwarded with *"),
        ("nn.Conv2d(3, 8, **dict(kernel_size=3))", "forwarded with **"),
        ("(lambda b: nn.Conv2d(3, 8, 3, bias=b))(True)", "given as `b`"),
    ],
)
def test_what_cannot_be_seen_in_the_call_is_refused(line: str, reason: str) -> None:
    text, refused = mend(_net(line), "BN301")
    assert text == _net(line)
    assert reason in refused["0"]


def test_a_helper_and_a_loop_are_mended_once_for_all_layers() -> None:
    code = f"""{HEAD}
def conv3x3(i, o):
    return nn.Conv2d(i, o, 3, padding=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for i in (3, 8, 8):
            layers += [conv3x3(i, 8), nn.BatchNorm2d(8), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.blocks = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in range(2)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(8) for _ in range(2)])

    def forward(self, x):
        x = self.body(x)
        for conv, norm in zip(self.blocks, self.norms):
            x = norm(conv(x)).relu()
        return x
"""
    expected = code.replace("padding=1)", "padding=1, bias=False)")
    expected = expected.replace("(8, 8, 1)", "(8, 8, 1, bias=False)")
    assert mend(code, "BN301") == (expected, {})


def test_a_class_of_ones_own_that_takes_no_bias_is_refused_by_the_proof() -> None:
    code = f"""{HEAD}
class Conv(nn.Conv2d):
    def __init__(self, i, o):
        super().__init__(i, o, 3)


net = nn.Sequential(Conv(3, 8), nn.BatchNorm2d(8), nn.ReLU())
"""
    with pytest.raises(TypeError, match="bias"):  # a run has the worker catch it
        mend(code, "BN301")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.BatchNorm2d(16)", "nn.BatchNorm2d(8)"),
        ("nn.BatchNorm2d(num_features=16)", "nn.BatchNorm2d(num_features=8)"),
        ("nn.GroupNorm(4, 16)", "nn.GroupNorm(4, 8)"),
    ],
)
def test_channels(before: str, after: str) -> None:
    code = f"{HEAD}net = nn.Sequential(nn.Conv2d(3, 4 + 4, 3, bias=False), {before}, nn.ReLU())\n"
    text, refused = mend(code, "BN201")
    assert text == code.replace(before, after.replace("8)", "4 + 4)"))
    assert refused == {}


def test_channels_come_from_the_kernel_or_the_helper_that_builds_it() -> None:
    code = f"""{HEAD}
def conv3x3(i, o):
    return nn.Conv2d(i, o, 3, bias=False)


class Block(nn.Module):
    def __init__(self, inplanes, planes):
        super().__init__()
        self.conv1 = conv3x3(inplanes, planes)
        self.bn1 = nn.BatchNorm2d(planes * 2)
        self.conv2 = nn.Conv2d(planes, planes * 3, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)

    def forward(self, x):
        return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()


net = nn.Sequential(Block(3, 8), Block(24, 5))
"""
    expected = code.replace("nn.BatchNorm2d(planes)", "nn.BatchNorm2d(planes * 3)")
    expected = expected.replace("nn.BatchNorm2d(planes * 2)", "nn.BatchNorm2d(planes)")
    assert mend(code, "BN201") == (expected, {})


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("BN303", "nn.BatchNorm2d(8, momentum=0.99)", "nn.BatchNorm2d(8, momentum=0.01)"),
        ("BN303", "nn.BatchNorm2d(8, 1e-3, .9)", "nn.BatchNorm2d(8, 1e-3)"),
        ("BN305", "nn.BatchNorm2d(8, 0.8)", "nn.BatchNorm2d(8, momentum=0.2)"),
        ("BN305", "nn.BatchNorm2d(8, eps=0.8)", "nn.BatchNorm2d(8, momentum=0.2)"),
    ],
)
def test_momentum_and_eps(rule: str, before: str, after: str) -> None:
    code = f"{HEAD}net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), {before}, nn.ReLU())\n"
    assert mend(code, rule) == (code.replace(before, after), {})


def test_affine() -> None:
    code = f"""{HEAD}net = nn.Sequential(
    nn.Conv2d(3, 8, 3, bias=False),
    nn.BatchNorm2d(8, affine=False),
    nn.Sigmoid(),
    nn.Conv2d(8, 8, 3),
)
"""
    assert mend(code, "BN302") == (code.replace(", affine=False", ""), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.ReLU(inplace=True)", "nn.ReLU()"),
        ("nn.ReLU(True)", "nn.ReLU()"),
        ("nn.ReLU(\n            inplace=True,\n        )", "nn.ReLU(\n            \n        )"),
        ("nn.LeakyReLU(0.2, True)", "nn.LeakyReLU(0.2)"),
        ("nn.LeakyReLU(inplace=True, negative_slope=0.2)", "nn.LeakyReLU(negative_slope=0.2)"),
        ("nn.ReLU(inplace=True  # fast\n        )", "nn.ReLU(  # fast\n        )"),
    ],
)
def test_inplace_is_left_out(before: str, after: str) -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(3)
        self.act = {before}
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        x = self.bn(x)
        return x + self.conv(self.act(x))
"""
    assert mend(code, "BN406") == (code.replace(before, after), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("F.relu(x, inplace=True)", "F.relu(x)"),
        ("F.relu(x, True)", "F.relu(x)"),
        ("F.leaky_relu(x, 0.1, True)", "F.leaky_relu(x, 0.1)"),
    ],
)
def test_inplace_of_a_function(before: str, after: str) -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 3, padding=1)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        left = self.conv(x)
        return left + self.conv({before})
"""
    assert mend(code, "BN406") == (code.replace(before, after), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("F.dropout(x)", "F.dropout(x, training=self.training)"),
        ("F.dropout(x, 0.2)", "F.dropout(x, 0.2, training=self.training)"),
        ("F.dropout2d(x, p=0.2)", "F.dropout2d(x, p=0.2, training=self.training)"),
    ],
)
def test_a_dropout_follows_the_mode_of_its_module(before: str, after: str) -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.conv = nn.Conv2d(8, 4, 3)

    def forward(self, x):
        x = self.stem(x).relu()
        return self.conv({before})
"""
    assert mend(code, "BN306") == (code.replace(before, after), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("q, k, v, dropout_p=self.p", "q, k, v, dropout_p=self.p if self.training else 0.0"),
        ("q, k, v, None, 0.1, True", "q, k, v, None, 0.1 if self.training else 0.0, True"),
    ],
)
def test_an_attention_drops_in_training_only(before: str, after: str) -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.p, self.qkv, self.out = 0.1, nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.out(F.scaled_dot_product_attention({before}))

if __name__ == "__main__":
    Net()(torch.randn(2, 6, 16))
"""
    assert mend(code, "BN306") == (code.replace(before, after), {})


def test_a_dropout_outside_of_a_module_has_no_mode_to_follow() -> None:
    code = f"""{HEAD}
def dropped(x):
    return F.dropout(x, 0.2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 4, 3)

    def forward(self, x):
        return self.conv(dropped(x))
"""
    done, refused = mend(code, "BN306")
    assert done == code
    assert refused
