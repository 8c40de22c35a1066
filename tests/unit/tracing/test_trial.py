"""Models run on made-up weights before and after an edit."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from bnlint.domain.request import Fold, InputSpec, ModelSpec, Trial, TrialResult
from bnlint.loading.parsing import Source, read
from bnlint.models.workshop import Workshop
from bnlint.tracing.trial import LIMIT, try_models

NET = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return {"y": self.drop(self.bn(self.conv(x)).relu())}
"""
SPEC = ModelSpec("Net()", (InputSpec((1, 3, 3, 3)),))
FOLD = Fold("Net()", "conv", "bn")


def _try(code: str, trial: Trial, spec: ModelSpec = SPEC) -> TrialResult:
    source = read("net.py", code)
    assert isinstance(source, Source)
    module = ModuleType("net")
    exec(code, vars(module))
    (result,) = try_models(Workshop(module, source, LIMIT), (spec,), trial)
    return result


def _compare(tmp_path: Path, old: str, new: str, *folds: Fold) -> TrialResult:
    store = str(tmp_path / "store")
    before = _try(old, Trial(store))
    assert before.verdict == "ran", before
    return _try(new, Trial(store, True, folds))


def test_the_same_text_gives_the_same_in_both_modes(tmp_path: Path) -> None:
    result = _compare(tmp_path, NET, NET)
    assert (result.verdict, result.detail) == ("equal", "train and eval")


def test_weights_hang_on_names_and_not_on_what_is_built_before(tmp_path: Path) -> None:
    more = NET.replace(
        "        self.conv =", "        self.extra = nn.Linear(3, 3)\n        self.conv ="
    )
    assert _compare(tmp_path, NET, more).verdict == "equal"


def test_a_bias_is_made_up_for_by_the_running_mean(tmp_path: Path) -> None:
    new = NET.replace("3, 8, 3)", "3, 8, 3, bias=False)")
    assert _compare(tmp_path, NET, new, FOLD).verdict == "equal"
    result = _compare(tmp_path, NET, new)
    assert result.verdict == "different"
    assert result.detail.startswith("in eval mode the results differ by up to")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (".relu()", ".tanh()", "in train mode the results differ"),
        ("3, 8, 3)", "3, 8, 2)", "other shapes"),
        (".relu()", ".relu(1, 2)", "it fails: TypeError"),
    ],
)
def test_what_differs_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    result = _compare(tmp_path, NET, NET.replace(old, new))
    assert result.verdict == "different"
    assert said in result.detail


def test_what_cannot_be_run_is_no_verdict(tmp_path: Path) -> None:
    trial = Trial(str(tmp_path / "store"))
    assert _try(NET, trial, ModelSpec("Net()")).detail == "no input of it is known"
    assert _try(NET, trial, ModelSpec("Net(1)", SPEC.inputs)).verdict == "impossible"
    broken = NET.replace("BatchNorm2d(8)", "BatchNorm2d(4)")
    assert "RuntimeError" in _try(broken, trial).detail
    assert _try(NET, Trial(trial.store, True)).detail == "it did not run before the edit"
