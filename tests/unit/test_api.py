"""The Python functions that tests and notebooks of users call."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import bnlint

OWN_RULE = """
id: XX101
name: own
severity: warning
summary: a norm
match:
  - norm: {{is: norm}}
report: {{at: norm, message: {message}}}
docs: {{why: it is there}}
examples: {{bad: [x = 1], good: [x = 1]}}
"""


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
    assert ": BN301 warning: The bias of `conv` (Conv2d) has no effect" in second
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


def test_a_rule_file_that_changes_is_read_again(tmp_path: Path) -> None:
    rule = tmp_path / "XX101-own.yaml"

    def says(message: str) -> list[str]:
        rule.write_text(OWN_RULE.format(message=message), encoding="utf-8")
        report = bnlint.check_model(Net(bias=True), select=["XX101"], rules=[str(rule)])
        return [finding.message for finding in report.findings]

    assert says("one") == ["one"]
    assert says("another one") == ["another one"]


def test_a_model_on_meta_keeps_its_modes() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    model[0].train()
    bnlint.check_model(model)
    assert [m.training for m in model.modules()] == [False, True, False]


@pytest.mark.parametrize("paths", [3, [3], nn.Linear(2, 2), None])
def test_what_is_no_path_is_told(paths: object) -> None:
    with pytest.raises(bnlint.BnlintError, match="paths are strings or Paths"):
        bnlint.check(paths)  # type: ignore[arg-type]


def test_reports_and_graphs_are_short_in_a_console() -> None:
    report = bnlint.check_model(Net(bias=True), torch.zeros(2, 3, 8, 8), select=["BN301"])
    assert repr(report) == "<Report: 1 model checked, 1 finding (1 warning)>"
    graph = bnlint.trace(Net(bias=True), torch.zeros(2, 3, 8, 8))
    said = (
        f"<ModelGraph Net: {len(graph.ops)} operations, 240 parameters, traced whole by symbolic>"
    )
    assert repr(graph) == said


def test_a_graph_shows_itself_in_a_notebook() -> None:
    shown = bnlint.trace(Net(bias=True), torch.zeros(2, 3, 8, 8))._repr_html_()
    assert "<code>conv</code>" in shown
    assert "2x8x6x6" in shown
    assert "traced whole" in shown


def test_a_path_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="nope.py") as warned:
        report = bnlint.check(tmp_path / "nope.py")
    assert warned[0].filename == __file__
    assert "nope.py" in repr(report)
    assert report.problems[0].kind.value == "not-found"


def test_unknown_keywords_get_a_suggestion() -> None:
    model = nn.Linear(2, 2)
    for call, hint in (
        (lambda: bnlint.check_model(model, selct=["BN3"]), "did you mean 'select'"),
        (lambda: bnlint.check("net.py", format=["json"]), "did you mean 'formats'"),
        (lambda: bnlint.probe(model, batchsize=3), "did you mean 'batch_size'"),
        (lambda: bnlint.watch(model, evry=3), "did you mean 'every'"),
    ):
        with pytest.raises(bnlint.BnlintError, match=hint):
            call()
