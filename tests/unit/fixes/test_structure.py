from __future__ import annotations

import pytest

from tests.unit.fixes.mending import mend

HEAD = "import torch\nimport torch.nn as nn\n\n"


@pytest.mark.parametrize(
    ("first", "before", "after"),
    [
        ("import torch.nn as nn", "nn.BatchNorm1d(8)", "nn.BatchNorm2d(8)"),
        (
            "import torch.nn as nn",
            "nn.BatchNorm3d(\n    8  # w\n)",
            "nn.BatchNorm2d(\n    8  # w\n)",
        ),
        ("from torch import nn", "nn.InstanceNorm1d(8)", "nn.InstanceNorm2d(8)"),
    ],
)
def test_another_class_for_the_rank(first: str, before: str, after: str) -> None:
    code = f"{first}\n\nnet = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), {before}, nn.ReLU())\n"
    assert mend(code, "BN202") == (code.replace(before, after), {})


def test_the_class_is_imported_where_it_goes_by_its_own_name() -> None:
    code = """from torch.nn import (
    BatchNorm1d,  # norm
    Conv2d,
    Sequential,
)

net = Sequential(Conv2d(3, 8, 3, bias=False), BatchNorm1d(8))
"""
    expected = code.replace("1d,", "1d, BatchNorm2d,").replace("BatchNorm1d(8)", "BatchNorm2d(8)")
    assert mend(code, "BN202") == (expected, {})


def test_a_class_by_another_name_is_refused() -> None:
    code = """import torch.nn as nn
from torch.nn import BatchNorm1d as BN

net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), BN(8))
"""
    text, refused = mend(code, "BN202")
    assert text == code
    assert "goes by another name" in refused["1"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "[\n    conv,\n    nn.BatchNorm2d(8),\n    nn.BatchNorm2d(8),  # again\n    act,\n]",
            "[\n    conv,\n    nn.BatchNorm2d(8),\n    act,\n]",
        ),
        (
            "[conv, nn.BatchNorm2d(8), nn.BatchNorm2d(8), act]",
            "[conv, nn.BatchNorm2d(8), act]",
        ),
        ("[conv, nn.BatchNorm2d(8), nn.BatchNorm2d(8)]", "[conv, nn.BatchNorm2d(8)]"),
        ("[conv, nn.BatchNorm2d(8), nn.BatchNorm2d(8),]", "[conv, nn.BatchNorm2d(8),]"),
        (
            "[conv, nn.BatchNorm2d(8)]\nlayers.append(nn.BatchNorm2d(8))",
            "[conv, nn.BatchNorm2d(8)]",
        ),
    ],
)
def test_a_second_norm_goes_from_a_list(before: str, after: str) -> None:
    code = f"""{HEAD}conv, act = nn.Conv2d(3, 8, 3, bias=False), nn.ReLU()
layers = {before}
net = nn.Sequential(*layers, nn.Conv2d(8, 4, 1))
"""
    assert mend(code, "BN105") == (code.replace(before, after), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["x = self.bn2(self.bn1(self.conv(x)))"], ["x = self.bn1(self.conv(x))"]),
        (["x = self.bn1(self.conv(x))", "x = self.bn2(x)  # 2"], ["x = self.bn1(self.conv(x))"]),
        (
            ["y = self.bn1(self.conv(x))", "x = self.bn2(y)"],
            ["y = self.bn1(self.conv(x))", "x = y"],
        ),
    ],
)
def test_a_second_norm_goes_from_forward(before: list[str], after: list[str]) -> None:
    def code(lines: list[str], norm: str) -> str:
        body = "\n".join(f"        {line}" for line in lines)
        return f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
{norm}        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
{body}
        return self.head(x.relu())
"""

    with_norm = "        self.bn2 = nn.BatchNorm2d(8)\n"
    assert mend(code(before, with_norm), "BN105") == (code(after, ""), {})


def test_an_unused_layer_goes_and_its_neighbours_stay() -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)  # kept
        # an old idea
        self.old = nn.Sequential(
            nn.Conv2d(8, 8, 3),
            nn.BatchNorm2d(8),
        )  # gone
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.head(self.conv(x).tanh())
"""
    start, end = code.index("        self.old"), code.index("        self.head")
    assert mend(code, "BN402") == (code[:start] + code[end:], {})


def test_lines_that_move_up_are_no_difference_for_a_layer_called_twice() -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.old = nn.Conv2d(8, 8, 3)
        self.conv, self.act = nn.Conv2d(3, 8, 3), nn.Tanh()
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.act(self.conv(x))
        return self.act(self.head(x))
"""
    assert mend(code, "BN402") == (code.replace("        self.old = nn.Conv2d(8, 8, 3)\n", ""), {})


@pytest.mark.parametrize(
    ("first", "before", "after"),
    [
        (
            "import torch.nn as nn",
            "self.layers = [nn.Linear(8, 8) for _ in range(3)]",
            "self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])",
        ),
        (
            "import torch\nfrom torch import nn as N\nimport torch.nn as nn",
            "self.layers = nn.Linear(8, 8), nn.Linear(8, 8)",
            "self.layers = N.ModuleList((nn.Linear(8, 8), nn.Linear(8, 8)))",
        ),
        (
            "import torch.nn as nn",
            "self.layers = []\n        for _ in range(3):\n"
            "            self.layers.append(nn.Linear(8, 8))",
            "self.layers = nn.ModuleList([])\n        for _ in range(3):\n"
            "            self.layers.append(nn.Linear(8, 8))",
        ),
    ],
)
def test_a_plain_list_becomes_a_module_list(first: str, before: str, after: str) -> None:
    code = f"""{first}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {before}
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return self.out(x)
"""
    assert mend(code, "BN403") == (code.replace(before, after), {})


def test_a_plain_dict_becomes_a_module_dict() -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = {{"a": nn.Linear(8, 8), "b": nn.Linear(8, 4)}}

    def forward(self, x):
        return self.parts["b"](self.parts["a"](x).relu())
"""
    text, refused = mend(code, "BN403")
    assert text == code.replace("{", "nn.ModuleDict({").replace("}", "})")
    assert refused == {}


def test_a_layer_built_in_forward_needs_a_constructor_to_go_to() -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def forward(self, x):
        return nn.Conv2d(3, 8, 3)(x)
"""
    text, refused = mend(code, "BN403")
    assert text == code
    assert "no __init__ of its own" in " ".join(refused.values())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "self.body = nn.Sequential(*[nn.Linear(8, 8)] * 3)",
            "self.body = nn.Sequential(*[nn.Linear(8, 8) for _ in range(3)])",
        ),
        (
            "n = 2\n        self.body = nn.Sequential(*(n + 1) * [nn.Linear(8, 8)])",
            "n = 2\n        self.body = nn.Sequential(*[nn.Linear(8, 8) for _ in range((n + 1))])",
        ),
        (
            "part = nn.Linear(8, 8)  # one\n        self.body = nn.Sequential(*[part] * 3)",
            "self.body = nn.Sequential(*[nn.Linear(8, 8) for _ in range(3)])",
        ),
        (
            "part = nn.Linear(8, 8)\n        self.body = nn.Sequential(*[part for _ in range(3)])",
            "self.body = nn.Sequential(*[nn.Linear(8, 8) for _ in range(3)])",
        ),
        (
            "self.body = nn.Sequential(*[nn.Linear(8, 8), nn.ReLU()] * 3)",
            "self.body = nn.Sequential("
            "*[layer for _ in range(3) for layer in (nn.Linear(8, 8), nn.ReLU())])",
        ),
    ],
)
def test_one_layer_for_each_place(before: str, after: str) -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {before}
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        return self.out(self.body(x))
"""
    assert mend(code, "BN405") == (code.replace(before, after), {})


def test_a_line_whose_other_layers_fail_for_the_same_reason_is_mended_for_all() -> None:
    code = f"""{HEAD}
def norm(n):
    return nn.BatchNorm1d(n)


net = nn.Sequential(
    nn.Conv2d(3, 8, 1, bias=False), norm(8), nn.ReLU(), nn.MaxPool2d(2), norm(8), nn.Conv2d(8, 4, 1)
)
"""
    assert mend(code, "BN202") == (code.replace("1d", "2d"), {})


def test_lists_that_one_line_fills_are_registered_each_with_all_that_is_in_them() -> None:
    code = f"""{HEAD}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = self._stage(8)
        self.two = self._stage(16)

    def _stage(self, n):
        return [nn.Linear(n, 16), nn.ReLU()]

    def forward(self, x):
        for layer in [*self.one, *self.two]:
            x = layer(x)
        return x
"""
    expected = code.replace("self._stage(8)", "nn.ModuleList(self._stage(8))")
    expected = expected.replace("self._stage(16)", "nn.ModuleList(self._stage(16))")
    assert mend(code, "BN403") == (expected, {})
