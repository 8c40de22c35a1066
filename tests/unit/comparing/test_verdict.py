"""The verdict and the function: what must be seen, and what is only another way to write it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import bnlint
from tests.unit.comparing.live_pairs import SOURCE, changed

CHANGES = {
    "slope": ("self.act = nn.ReLU()", "self.act = nn.ReLU6()"),
    "eps": ("BatchNorm2d(8)", "BatchNorm2d(8, eps=1e-6)"),
    "momentum": ("BatchNorm2d(8)", "BatchNorm2d(8, momentum=0.2)"),
    "dropout": ("Dropout(0.5)", "Dropout(0.4)"),
    "padding mode": ("(3, 8, 3)", "(3, 8, 3, padding=1, padding_mode='circular')"),
    "constant": ("x.mean((2, 3))", "x.mean((2, 3)) * 0.99"),
    "bound": ("x.mean((2, 3))", "x.mean((2, 3)).clamp(max=3)"),
    "index": ("x.mean((2, 3))", "x[:, :, 0].mean(2)"),
    "gradient": ("x.mean((2, 3))", "x.mean((2, 3)).detach()"),
    "mode": ("x.mean((2, 3))", "x.mean((2, 3)) if self.training else x.amax((2, 3))"),
    "outputs": ("return self.fc(self.drop(x))", "return self.fc(self.drop(x)), x"),
}


@pytest.mark.parametrize("edit", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_function_is_seen(edit: tuple[str, str]) -> None:
    found = changed(edit)
    assert found.verdict == "changed"
    assert found.function is not None
    assert found.function.compared
    assert found.function.equal is False


SAME = {
    "function for layer": ("self.act(self", "F.relu(self", "identical"),
    "arguments said": ("(3, 8, 3)", "(3, 8, 3, stride=1, padding=0)", "identical"),
    "in place": ("nn.ReLU()", "nn.ReLU(inplace=True)", "identical"),
    "class": ("class Net", "class Model(nn.Module): pass\nclass Net", "identical"),
    "pooling": ("x.mean((2, 3))", "F.adaptive_avg_pool2d(x, 1).flatten(1)", "same-function"),
    "bounds": ("nn.ReLU()", "nn.Threshold(0, 0)", "same-function"),
    "constant": ("x.mean((2, 3))", "x.sum((2, 3)) / x[0, 0].numel()", "same-function"),
}


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
def test_another_way_to_write_it_is_the_same_function(edit: tuple[str, str, str]) -> None:
    old, new, verdict = edit
    found = changed((old, new))
    assert found.function is not None
    assert found.function.equal
    assert found.verdict == verdict
    assert found.checkpoint is not None
    assert found.checkpoint.loads


def test_the_first_layer_that_differs_is_named() -> None:
    found = changed(("self.act = nn.ReLU()", "self.act = nn.LeakyReLU(0.5)"))
    assert found.function is not None
    assert found.function.first_difference is not None
    assert found.function.first_difference.layer == "act"


def test_weights_that_do_not_fit_are_not_compared() -> None:
    found = changed(("nn.Linear(8, 4)", "nn.Linear(8, 5)"))
    assert found.verdict == "changed"
    assert found.function is not None
    assert not found.function.compared
    assert found.function.equal is None
    assert "fc.weight" in found.function.reason


def test_draws_in_another_order_are_told() -> None:
    source = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3)
            self.d, self.e = nn.Dropout(0.5), nn.Dropout(0.2)
        def forward(self, x):
            a = self.d(self.a(x))
            b = self.e(self.b(x))
            return a + b
    """
    lines = ("a = self.d(self.a(x))", "b = self.e(self.b(x))")
    swapped = f"{lines[0]}\n            {lines[1]}", f"{lines[1]}\n            {lines[0]}"
    found = changed(swapped, source=source)
    assert found.verdict == "same-function"
    assert found.function is not None
    assert "another order" in found.function.reason


def test_what_does_not_run_is_not_called_equal() -> None:
    class Asking(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("never")

    found = bnlint.compare(Asking(), Asking(), inputs=torch.zeros(1))
    assert found.verdict == "not-compared"
    assert found.function is not None
    assert not found.function.equal
    assert "never" in found.reason


def test_assert_same_function_says_what_differs() -> None:
    bnlint.assert_same_function(nn.Linear(4, 4), nn.Linear(4, 4))
    with pytest.raises(AssertionError, match="not the same function"):
        bnlint.assert_same_function(nn.ReLU(), nn.ReLU6(), inputs=torch.randn(4, 4))


POOLED = SOURCE.replace("x.mean((2, 3))", "F.avg_pool2d(x, 2).mean((2, 3))")


def test_a_window_that_divides_the_input_as_well_is_a_change() -> None:
    found = changed(("avg_pool2d(x, 2)", "avg_pool2d(x, 3)"), source=POOLED)
    assert found.function is not None
    assert found.verdict == "changed"
    assert found.function.max_difference["eval"] < 1e-9, "with the given input they are equal"
    assert found.function.reason.startswith("with an input of 4x3x13x13 the outputs differ by ")


def test_another_layer_for_one_size_is_the_same_function_with_a_note() -> None:
    new = "F.max_pool2d(F.avg_pool2d(x, 2), 1).mean((2, 3))"
    found = changed(("F.avg_pool2d(x, 2).mean((2, 3))", new), source=POOLED)
    assert found.function is not None
    assert (found.verdict, found.function.reason) == ("same-function", "")
    found = changed(("F.avg_pool2d(x, 2)", "F.adaptive_avg_pool2d(x, 1)"), source=POOLED)
    assert found.function is not None
    assert found.verdict == "same-function"
    assert "with an input of 4x3x13x13 the outputs differ" in found.function.reason
