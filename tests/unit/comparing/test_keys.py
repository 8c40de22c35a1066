"""Checkpoints: which keys are missing, which were renamed, and that a map was tried."""

from __future__ import annotations

from tests.unit.comparing.live_pairs import changed

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
