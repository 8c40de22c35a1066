"""Pretrained weights are neither downloaded nor read, and rules don't judge what they replace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bnlint.domain.graph import ModelGraph
from bnlint.layers.table import builtin_table
from bnlint.loading import weights
from bnlint.loading.weights import LEFT_OUT, AbsentWeights, left_out, mark
from bnlint.models.guessing.guess import given
from bnlint.tracing.model import trace_model
from tests.unit.models.test_discovery import records


@pytest.fixture(autouse=True)
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in ((torch, "load"), (torch.hub, "load_state_dict_from_url")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(nn.Module, "load_state_dict", nn.Module.load_state_dict)
    monkeypatch.setattr(LEFT_OUT, "sources", [])
    for owner, names in ((os.path, ("exists", "isfile")), (Path, ("exists", "is_file"))):
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name))
    weights.without_weights()


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU())


def whole(state: Any, model: nn.Module) -> None:
    model.load_state_dict(state)


def renamed(state: Any, model: nn.Module) -> None:
    model.load_state_dict({key[7:]: value for key, value in state["state_dict"].items()})


def chosen(state: Any, model: nn.Module) -> None:
    own = model.state_dict()
    own.update({k: v for k, v in state.items() if k in own})
    state.pop("fc.weight")
    model.load_state_dict(own)


def copied(state: Any, model: nn.Module) -> None:
    with torch.no_grad():
        model[0].weight.copy_(state["layer"].mean(1, keepdim=True) * 2)  # type: ignore[index,operator]


def joined(state: Any, model: nn.Module) -> None:
    with torch.no_grad():
        model[0].weight.copy_(torch.cat([state["a"], state["b"]], dim=1))  # type: ignore[index,operator]


@pytest.mark.parametrize("use", [whole, renamed, chosen, copied, joined])
def test_whatever_is_done_with_them_the_model_keeps_its_own(use: Any, tmp_path: Path) -> None:
    for state in (torch.hub.load_state_dict_from_url("https://h/w.pth"), torch.load("no/w.pth")):
        model = net()
        before = model[0].weight.clone()
        use(state, model)
        assert torch.equal(model[0].weight, before)
    assert LEFT_OUT.sources == ["w.pth", "w.pth"]


def test_a_cached_file_is_not_read_and_a_small_one_is(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(300_000)}, tmp_path / "large.pt")
    torch.save({"a": torch.zeros(3)}, tmp_path / "small.pt")
    assert isinstance(torch.load(tmp_path / "large.pt"), AbsentWeights)
    assert torch.load(tmp_path / "small.pt")["a"].shape == (3,)


def test_real_weights_are_loaded_strictly() -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        net().load_state_dict({})


def test_values_that_weights_would_replace_are_not_judged() -> None:
    def dead() -> nn.Sequential:
        model = net()
        nn.init.constant_(model[0].weight, 0.0)
        nn.init.constant_(model[0].bias, -1.0)
        return model

    def facts(model: nn.Module) -> set[str]:
        graph = trace_model(model, inputs=given(torch.ones(2, 3)), table=builtin_table())
        return {name for op in graph.ops for name in op.facts if name.startswith("init-")}

    replaced = dead()
    mark(replaced, "w.pth")
    assert [name for _, name in left_out(replaced)] == ["w.pth"]
    assert facts(dead())
    assert not facts(replaced)


def test_the_last_entry_can_be_asked_for_while_they_pretend() -> None:
    state = torch.hub.load_state_dict_from_url("https://h/w.pth")
    assert list(state.keys()) == []
    assert len(state) == 0
    with LEFT_OUT.pretending():
        assert len(state[list(state.keys())[-1]]) == 1000
    assert list(state) == []


INSISTS = """
import os, sys
from pathlib import Path

class Net(nn.Module):
    def __init__(self, path="weights/best.pth"):
        super().__init__()
        self.fc = nn.Linear(8, 4)
        {before}
        state = torch.load(path)
        {after}

    def forward(self, x):
        return self.fc(x)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("assert os.path.isfile(path)", "self.load_state_dict(state)"),
        ("os.path.exists(path) or sys.exit(1)", "self.load_state_dict(state['model'])"),
        ("if not Path(path).exists(): raise FileNotFoundError(path)", "pass"),
        ("if not Path(path).is_file(): raise Exception('no weights')", "pass"),
        ("pass", "assert 'model' in state; del state['model']"),
        (
            "assert os.path.exists(path); own = self.state_dict()",
            "[own.update({k: state[k]}) for k in own if k in state]; self.load_state_dict(own)",
        ),
    ],
)
def test_code_that_insists_on_weights_goes_on_without(before: str, after: str) -> None:
    found = records(INSISTS.format(before=before, after=after))
    (graph,) = (r for r in found if isinstance(r, ModelGraph))
    assert [op.kind for op in graph.ops] == ["input", "linear", "output"]
    assert set(LEFT_OUT.sources) == {"best.pth"}


def test_files_are_not_there_unless_code_fails_without(tmp_path: Path) -> None:
    there, data = tmp_path / "net.pth", tmp_path / "data.csv"
    there.write_text("")
    assert there.exists()
    assert not os.path.exists(tmp_path / "other.pth")
    assert (LEFT_OUT.sources, LEFT_OUT.pretends) == ([], False)
    before = LEFT_OUT.asked
    with LEFT_OUT.pretending():
        assert not data.exists()
        assert LEFT_OUT.asked == before
        assert all((tmp_path / name).is_file() for name in ("other.pth", "best.pt.tar", "my_ckpt"))
