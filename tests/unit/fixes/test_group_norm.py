"""A layer norm that is made for the channels of a map becomes a group norm of one group."""

from __future__ import annotations

import pytest

from tests.unit.fixes.mending import mend

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n"


def _net(norm: str, before: str = HEAD) -> str:
    return f"""{before}
class Net(nn.Module):
    def __init__(self, width=24, kind=nn.LayerNorm):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 4, 4)
        self.norm = {norm}
        self.head = nn.Conv2d(width, 4, 1)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu())
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.LayerNorm(24)", "nn.GroupNorm(1, 24)"),
        ("nn.LayerNorm([width])", "nn.GroupNorm(1, width)"),
        ("torch.nn.LayerNorm((width,), 1e-6)", "torch.nn.GroupNorm(1, width, 1e-6)"),
        (
            "nn.LayerNorm(normalized_shape=width, elementwise_affine=False)",
            "nn.GroupNorm(num_groups=1, num_channels=width, affine=False)",
        ),
    ],
)
def test_the_layer(before: str, after: str) -> None:
    assert mend(_net(before), "BN207") == (_net(after), {})


def test_its_class_is_imported() -> None:
    head = "import torch.nn as nn\nfrom torch.nn import LayerNorm{}\n"
    before = _net("LayerNorm(24)", head.format(""))
    assert mend(before, "BN207")[0] == _net("GroupNorm(1, 24)", head.format(", GroupNorm"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("F.layer_norm(x, (24,))", "F.group_norm(x, 1)"),
        (
            "F.layer_norm(x, normalized_shape=[24], weight=self.scale, eps=1e-6)",
            "F.group_norm(x, num_groups=1, weight=self.scale, eps=1e-6)",
        ),
    ],
)
def test_the_function(before: str, after: str) -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 24, 4, 4)
        self.scale = nn.Parameter(torch.ones(24))
        self.head = nn.Conv1d(24, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        return self.head({before}.relu()) * self.scale.mean()
"""
    assert mend(code, "BN207") == (code.replace(before, after), {})


@pytest.mark.parametrize(
    ("norm", "reason"),
    [
        ("nn.RMSNorm(24)", "does not subtract the mean"),
        ("nn.LayerNorm(24, bias=False)", "no bias argument"),
        ("kind(24)", "another name"),
    ],
)
def test_what_a_group_norm_does_not_do_is_refused(norm: str, reason: str) -> None:
    text, refused = mend(_net(norm), "BN207")
    assert text == _net(norm)
    assert reason in refused["norm"]


def test_a_line_that_also_builds_a_norm_of_tokens_stays() -> None:
    code = f"""{HEAD}
def norm(width):
    return nn.LayerNorm(width)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 24, 4, 4), norm(24)
        self.fc, self.last = nn.Linear(24, 16), norm(16)

    def forward(self, x):
        x = self.conv(x)
        return self.last(self.fc(x.flatten(2).transpose(1, 2))).mean() + self.norm(x).mean()
"""
    text, refused = mend(code, "BN207")
    assert text == code
    assert "serves last" in refused["norm"]


def test_layers_that_forward_builds_are_edited_where_they_are() -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 24, 4, 4)
        self.head = nn.Conv2d(24, 4, 1)

    def forward(self, x):
        x = nn.LayerNorm(24)(self.conv(x))
        return self.head(nn.ReLU()(x))
"""
    after = code.replace("nn.LayerNorm(24)", "nn.GroupNorm(1, 24)")
    assert mend(code, "BN207") == (after, {})
