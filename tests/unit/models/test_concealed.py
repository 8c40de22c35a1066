"""Models that the names of a module do not show at first sight."""

from __future__ import annotations

from tests.unit.models.test_discovery import calls, net, problems


def test_a_class_that_a_registry_keeps_for_itself() -> None:
    code = "kept = {}\ndef register(cls):\n    kept[cls.__name__] = cls\n\n@register" + net()
    assert calls(code) == ["Net()"]


def test_a_class_inside_of_another() -> None:
    code = "class Zoo:\n" + "\n".join(f"    {line}" for line in net().splitlines())
    assert calls(code) == ["Zoo.Net()"]


def test_a_class_made_by_type() -> None:
    code = "def forward(self, x):\n    return x\n"
    code += "Net = type('Net', (nn.Sequential,), {'forward': forward})\n"
    assert calls(code) == ["Net()"]


def test_a_class_with_some_of_its_arguments() -> None:
    code = "import functools\n" + net(arguments="zorp", layer="nn.Linear(3, zorp.x[zorp](1)[zorp])")
    assert calls(code) == []
    code = "import functools\n" + net(arguments="width", layer="nn.Linear(3, width)")
    assert "small()" in calls(code + "\nsmall = functools.partial(Net, width=8)\n")


def test_a_class_under_main() -> None:
    body = "\n".join(f"    {line}" for line in net().splitlines())
    assert calls(f"if __name__ == '__main__':\n{body}\n") == ["Net()"]


def test_a_model_of_layers_that_only_the_script_builds() -> None:
    for head in ("if __name__ == '__main__':", "def main():"):
        code = f"{head}\n    wide = 8\n    body = nn.Sequential(nn.Linear(3, wide), nn.ReLU())\n"
        assert calls(code) == ["body"]


def test_a_function_that_returns_a_class_of_its_own() -> None:
    body = "\n".join(f"    {line}" for line in net().splitlines())
    assert calls(f"def make():\n{body}\n    return Net()\n") == ["make()"]


def test_what_a_checked_model_contains_is_not_reported_as_not_checked() -> None:
    part = net("Part", "width", "nn.Linear(width, width) if width == 5 else 1 / 0")
    assert problems(part + net("Whole", "", "Part(5)")) == []
