"""The Python functions that tests and notebooks of users call."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import bnlint


class Net(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=bias)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x)).relu()


def test_a_clean_model_asserts_nothing() -> None:
    bnlint.assert_clean(Net(bias=False), torch.zeros(2, 3, 8, 8))
    bnlint.assert_clean(Net(bias=True), select=["BN1"])
    bnlint.assert_clean(Net(bias=True), ignore=["redundant-bias"])
    bnlint.assert_clean(Net(bias=True), fail_on="error")


def test_the_failure_says_what_where_why_and_how_to_accept_it() -> None:
    with pytest.raises(AssertionError) as caught:
        bnlint.assert_clean(Net(bias=True), torch.zeros(2, 3, 8, 8), select=["BN301"])
    first, second, third = str(caught.value).splitlines()
    assert first == "Net is not clean:"
    assert second.partition(":")[0].endswith("test_api.py")
    assert ": BN301 warning: conv has a bias that bn cancels" in second
    assert third == "why: `bnlint explain BN301`; to accept it: ignore=['BN301']"


def test_mistakes_are_told() -> None:
    with pytest.raises(bnlint.BnlintError, match="'wrn' is not one of"):
        bnlint.assert_clean(Net(bias=True), fail_on="wrn")
    with pytest.raises(bnlint.BnlintError, match=r"a torch\.nn\.Module is needed, not int"):
        bnlint.assert_clean(3)  # type: ignore[arg-type]
    with pytest.raises(bnlint.BnlintError, match="no setting is called fial_on"):
        bnlint.assert_clean(Net(bias=True), fial_on="error")


def test_a_report_shows_itself_in_a_notebook() -> None:
    report = bnlint.check_model(Net(bias=True), select=["BN301"])
    assert "<code>Net.conv</code>" in report._repr_html_()
