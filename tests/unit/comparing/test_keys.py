"""Checkpoints: which keys are missing, which were renamed, and that a map was tried."""

from __future__ import annotations

import torch

from bnlint.comparing.showing import render
from bnlint.comparing.showing.checkpoint_in_words import with_the_map
from bnlint.domain.model_comparison import ComparisonReport
from bnlint.report import RenderOptions
from tests.unit.comparing.live_pairs import built, changed

PLAIN = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.n, self.m = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
    def forward(self, x):
        x = F.relu(self.n(self.a(x)))
        return F.relu(self.m(self.b(x)))
"""


def test_layers_in_a_sequential_are_renamed() -> None:
    names = "self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)"
    norms = "self.n, self.m = nn.BatchNorm2d(4), nn.BatchNorm2d(4)"
    both = f"{names}\n        {norms}"
    made = (
        "self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),"
        " nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU())"
    )
    forward = "x = F.relu(self.n(self.a(x)))\n        return F.relu(self.m(self.b(x)))"
    found = changed((both, made), (forward, "return self.net(x)"), source=PLAIN)
    assert found.verdict == "same-function"
    assert found.checkpoint is not None
    assert found.checkpoint.loads is False
    assert found.checkpoint.loads_with_renames
    assert found.checkpoint.missing == found.checkpoint.unexpected == ()
    assert found.key_map["a.weight"] == "net.0.weight"
    assert found.key_map["m.running_var"] == "net.4.running_var"


def test_an_inserted_layer_moves_the_numbers_behind_it() -> None:
    source = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
        def forward(self, x):
            return self.net(x)
    """
    found = changed(("Sequential(nn.Conv2d(3, 3, 1), ",) * 2, source=source)
    assert found.verdict == "identical"
    edit = "Sequential(nn.Conv2d(3, 3, 1), ", "Sequential(nn.Conv2d(3, 3, 1), nn.Identity(), "
    found = changed(edit, source=source)
    assert found.verdict == "same-function"
    assert found.key_map["net.1.weight"] == "net.2.weight"
    assert found.key_map["net.2.weight"] == "net.3.weight"


def test_names_that_cross_over_load_and_compute_something_else() -> None:
    source = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        def forward(self, x):
            return self.a(x).relu() - self.b(x)
    """
    found = changed(("self.a(x).relu() - self.b(x)", "self.b(x).relu() - self.a(x)"), source=source)
    assert found.checkpoint is not None
    assert found.checkpoint.loads
    assert found.verdict == "changed"


def test_an_unused_layer_changes_the_checkpoint_alone() -> None:
    found = changed(("super().__init__()", "super().__init__(); self.spare = nn.Linear(2, 2)"))
    assert found.verdict == "same-function"
    assert found.checkpoint is not None
    assert found.checkpoint.loads is False
    assert set(found.checkpoint.missing) == {"spare.weight", "spare.bias"}
    assert found.checkpoint.renamed == ()


def test_a_new_norm_is_missing_and_differs() -> None:
    found = changed(
        ("self.act = nn.ReLU()", "self.act = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU())")
    )
    assert found.verdict == "changed"
    assert found.checkpoint is not None
    assert "act.0.running_mean" in found.checkpoint.missing
    assert found.function is not None
    assert found.function.compared
    assert [change.layer for change in (found.graph.added if found.graph else ())] == ["act.0"]


STAGES = """
class Block(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.conv = nn.Conv2d(width, out, 3, padding=1)
        self.norm = nn.BatchNorm2d(out)
        self.other = nn.BatchNorm2d(out)
    def forward(self, x):
        return F.relu(self.other(self.norm(self.conv(x))))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.Sequential(Block(3, 8), Block(8, 16), Block(16, 16), Block(16, 4))
    def forward(self, x):
        return self.stages(x).mean((2, 3))
"""


def test_a_block_that_was_inserted_moves_the_numbers_of_those_behind_it() -> None:
    found = changed(("Block(3, 8), ", "Block(3, 8), Block(8, 8), "), source=STAGES)
    assert found.checkpoint is not None
    assert found.graph is not None
    assert {c.layer.rpartition(".")[0] for c in found.graph.added} == {"stages.1"}
    assert (*found.graph.removed, *found.graph.changed, *found.graph.moved) == ()
    assert {k.split(".")[1] for k in found.checkpoint.missing} == {"1"}
    assert (found.checkpoint.unexpected, found.checkpoint.reshaped) == ((), ())
    assert with_the_map(found.checkpoint) == ("all old weights load with strict=False; 12 keys new")


def test_a_block_that_was_removed_leaves_its_keys_without_a_place() -> None:
    found = changed(("Block(8, 16), Block(16, 16), ", "Block(8, 16), "), source=STAGES)
    assert found.checkpoint is not None
    assert found.checkpoint.loads_with_renames is False
    assert {k.split(".")[1] for k in found.checkpoint.unexpected} == {"2"}
    assert with_the_map(found.checkpoint) == (
        "the other weights load with strict=False; 12 old keys without a place"
    )


def test_the_snippet_of_the_review_loads_what_has_a_place() -> None:
    found = changed(("Block(8, 16), Block(16, 16), ", "Block(8, 16), "), source=STAGES)
    text = render("markdown", ComparisonReport((found,)), RenderOptions())
    snippet = text.partition("```python\n")[2].partition("```")[0]
    old = built(STAGES)
    new = built(STAGES.replace("Block(16, 16), ", ""))
    exec(snippet, {"old_state": old.state_dict(), "model": new})
    for layer in ("conv", "norm", "other"):
        assert torch.equal(
            new.get_submodule(f"stages.2.{layer}").weight,
            old.get_submodule(f"stages.3.{layer}").weight,
        )


def test_a_block_that_was_appended_renames_nothing() -> None:
    same = STAGES.replace("Block(8, 16), Block(16, 16), Block(16, 4)", "Block(8, 8)")
    found = changed(("Block(8, 8)", "Block(8, 8), Block(8, 8)"), source=same)
    assert found.checkpoint is not None
    assert found.checkpoint.renamed == ()
    assert {k.split(".")[1] for k in found.checkpoint.missing} == {"2"}


def test_a_layer_that_is_called_in_place_of_another_is_told() -> None:
    found = changed(("self.other(self.norm(", "self.norm(self.norm("), source=STAGES)
    assert found.graph is not None
    first = found.graph.changed[0]
    assert (first.setting, first.old, first.new) == ("layer", "stages.0.other", "stages.0.norm")
