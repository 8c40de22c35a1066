"""What changed in the graph: settings, layers, places."""

from __future__ import annotations

from bnlint.domain.model_comparison import GraphAnswer
from tests.unit.comparing.live_pairs import changed


def graph(*edits: tuple[str, str]) -> GraphAnswer:
    found = changed(*edits).graph
    assert found is not None
    return found


def test_a_setting_that_is_equal_in_all_dimensions_is_one_number() -> None:
    found = graph(("(3, 8, 3)", "(3, 8, 3, stride=2)"))
    (change,) = found.changed
    assert (change.layer, change.setting, change.old, change.new) == ("conv", "stride", 1, 2)
    assert (*found.added, *found.removed, *found.moved) == ()


def test_a_layer_of_another_kind_keeps_its_name() -> None:
    (change,) = graph(("self.act = nn.ReLU()", "self.act = nn.GELU()")).changed
    assert (change.layer, change.setting, change.old, change.new) == ("act", "kind", "relu", "gelu")


def test_a_norm_on_the_other_side_of_its_activation_has_moved() -> None:
    found = graph(("self.act(self.norm(self.conv(x)))", "self.norm(self.act(self.conv(x)))"))
    assert [change.layer for change in (*found.moved, *found.changed)] in (["norm"], ["act"])
    assert (*found.added, *found.removed) == ()


def test_a_changed_constant_is_a_setting() -> None:
    twice = "x.mean((2, 3))", "x.mean((2, 3)) * 2.0"
    assert [change.kind for change in graph(twice).added] == ["scale"]


def test_statistics_of_other_channels_are_no_changed_values() -> None:
    wider = graph(("(3, 8, 3)", "(3, 16, 3)"), ("BatchNorm2d(8)", "BatchNorm2d(16)"))
    (change,) = (c for c in wider.changed if c.layer == "norm")
    assert change.setting == "num-features"


def test_the_other_half_of_a_chunk() -> None:
    source = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
        def forward(self, x):
            a, b = self.conv(x).chunk(2, 1)
            return a.exp() - b
    """
    found = changed(("a.exp() - b", "b.exp() - a"), source=source)
    assert found.verdict == "changed"
    assert found.graph is not None
    assert found.graph.changed


BLOCKS = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU()
    def forward(self, x):
        return x + self.act(self.norm(self.conv(x)))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.blocks = nn.Sequential(Block(), Block(), Block())
        self.fc = nn.Linear(8, 4)
    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))
"""


def test_layers_that_moved_in_each_of_several_blocks_are_all_listed() -> None:
    swapped = "self.act(self.norm(self.conv(x)))", "self.norm(self.act(self.conv(x)))"
    for edits in ([swapped], [swapped, ("self.fc", "self.head")]):
        found = changed(*edits, source=BLOCKS).graph
        assert found is not None
        assert {c.layer.rpartition(".")[2] for c in found.moved} in ({"act"}, {"norm"})
        assert sum(c.count for c in found.moved) == 3
        assert (*found.added, *found.removed, *found.changed) == ()


def test_layers_that_moved_and_are_set_otherwise_are_both() -> None:
    leaky = BLOCKS.replace("nn.ReLU()", "nn.LeakyReLU(0.2)")
    swapped = "self.act(self.norm(self.conv(x)))", "self.norm(self.act(self.conv(x)))"
    found = changed(swapped, ("LeakyReLU(0.2)", "LeakyReLU(0.1)"), source=leaky).graph
    assert found is not None
    assert sum(c.count for c in found.moved) == 3
    settings = {(c.layer[-3:], c.setting, c.old, c.new) for c in found.changed}
    assert settings == {("act", "negative-slope", 0.2, 0.1)}
