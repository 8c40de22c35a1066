from __future__ import annotations

from html.parser import HTMLParser

from bnlint.api import Report
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.report.notebook import table
from tests.golden.report import golden_report

REPORT = golden_report()


class _Cells(HTMLParser):
    """Collects the text of cells; fails on tags that are not closed, or that load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"div", "table", "thead", "tbody", "tr", "th", "td", "span", "code"}
        assert {name for name, _ in attrs} <= {"style", "title"}
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def _parsed(text: str) -> _Cells:
    cells = _Cells()
    cells.feed(text)
    cells.close()
    assert cells.open == []
    return cells


def test_every_finding_is_a_row_and_every_problem_is_told() -> None:
    cells = _parsed(table(REPORT))
    assert cells.rows[0] == ["rule", "severity", "layer", "message", "place"]
    assert [row[0] for row in cells.rows[1:]] == [f.rule for f in REPORT.findings]
    for row, finding in zip(cells.rows[1:], REPORT.findings, strict=True):
        assert finding.layer in row[2]
        assert (
            row[4] == f"{finding.location.path}:{finding.location.line}:{finding.location.column}"
        )
    for problem in REPORT.problems:
        assert problem.kind.value in cells.text


def test_names_of_the_users_files_are_text_and_no_markup() -> None:
    problem = Problem(ProblemKind.NOT_BUILT, "<script>.py", "<b>&", hint='"<img src=x>')
    cells = _parsed(Report(problems=(problem,))._repr_html_())
    assert "<script>.py" in cells.text
    assert '"<img src=x>' in cells.text
    assert "0 models checked" in cells.text
