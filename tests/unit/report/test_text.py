from __future__ import annotations

from dataclasses import replace

import pytest

from bnlint.domain.errors import UsageError
from bnlint.domain.finding import (
    Finding,
    ModelSummary,
    Problem,
    ProblemKind,
    Report,
    Severity,
    Undecided,
)
from bnlint.domain.graph import Inputs, Location, ModelRef, Refusal, Trace
from bnlint.report import RenderOptions, render
from bnlint.report.formats.text import notes
from bnlint.report.lines import summary

OPTIONS = RenderOptions()


def _model(source: str) -> ModelSummary:
    ref = ModelRef("net.py", "Net", "class", inputs=Inputs(source))
    return ModelSummary(ref, Trace("symbolic", True), 3, 1, 10)


def test_a_clean_run_says_what_it_checked() -> None:
    assert summary(Report(models=(_model("mined"),)), OPTIONS) == "1 model checked, no findings"


def test_a_run_that_was_not_decided_says_which_rules_and_why() -> None:
    undecided = tuple(Undecided(f"BN20{n}", n) for n in range(1, 6))

    def said(count: int, *models: ModelSummary) -> str:
        text = summary(Report(models=models, undecided=undecided[:count]), OPTIONS)
        return text.partition("; ")[2]

    assert said(5, _model("none")) == (
        "not fully checked: BN201, BN202, BN203 and 2 more rules (no input known; pass --input)"
    )
    partly = replace(_model("mined"), trace=Trace("recorded", False))
    assert said(2, _model("mined"), partly) == (
        "not fully checked: BN201 and BN202 (some parts were not traced; see -v)"
    )
    assert said(1, _model("mined")) == "not fully checked: BN201 (see -v)"
    assert said(0, _model("none")) == ""


def test_how_often_a_part_can_be_asked_about_is_not_said() -> None:
    """One part that nobody sees into leaves as many questions open as there are layers."""
    once, often = (
        summary(Report(undecided=(Undecided("BN402", count),)), OPTIONS) for count in (1, 400)
    )
    assert once == often


def test_what_is_held_back_is_counted() -> None:
    report = Report(models=(_model("mined"),), suppressed=1, baselined=2, unchanged=3)
    assert summary(report, OPTIONS) == (
        "1 model checked, no findings, 1 suppressed, 2 in the baseline, 3 not on changed lines"
    )


def test_a_tracer_that_refuses_often_for_one_reason_is_told_once() -> None:
    refusals = (Refusal("recorded", "no"),) * 3 + (Refusal("symbolic", "no"),)
    model = replace(_model("mined"), trace=Trace("recorded", False, refusals=refusals))
    text = notes(Report(models=(model,)), RenderOptions(verbose=True))
    assert "    the recorded tracer failed (3 times): no\n" in text
    assert "    the symbolic tracer failed: no\n" in text


def test_models_that_could_not_be_built_are_counted() -> None:
    problems = (
        Problem(ProblemKind.NOT_BUILT, "net.py", "needs width"),
        Problem(ProblemKind.CRASH, "bad.py", "died", blocking=True),
        Problem(ProblemKind.STUBBED_IMPORT, "net.py", "einops"),
    )
    assert summary(Report(problems=problems), OPTIONS).startswith("0 models checked, 2 not checked")


def test_a_hint_of_several_lines_is_told_in_lines() -> None:
    problem = Problem(ProblemKind.EXIT, "a.py", "ended", "keep it\nits output:\nno\x1bise")
    text = notes(Report(problems=(problem,)), OPTIONS)
    assert "    hint: keep it\n          its output:\n          no\\x1bise\n" in text


def test_quiet_says_only_what_blocks() -> None:
    problems = (
        Problem(ProblemKind.STUBBED_IMPORT, "net.py", "einops"),
        Problem(ProblemKind.CRASH, "bad.py", "died", line=3, blocking=True),
    )
    text = notes(Report(problems=problems), RenderOptions(quiet=True))
    assert text == "bad.py:3: not checked (crash): died\n"


@pytest.mark.parametrize(
    ("column", "line", "caret"),
    [
        (1, "abcdefghijklmnopqrstuvw…", 1),
        (30, "…wxyzABCDEFGHIJKLMNOPQR…", 9),
        (52, "…DEFGHIJKLMNOPQRSTUVWXYZ", 24),
    ],
)
def test_a_long_line_is_cut_around_the_caret(column: int, line: str, caret: int) -> None:
    text = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    finding = Finding(
        "R", "r", Severity.INFO, "m", Location("a.py", 1, column, 1, column + 99), "", ""
    )
    options = RenderOptions(excerpts=True, width=32, lines=lambda path: [text])
    shown, carets = render("text", Report((finding,)), options).splitlines()[1:]
    assert shown == "    1 | " + line
    assert carets.index("^") - len("    1 | ") + 1 == caret
    assert len(carets) <= 32
    assert text[column - 1] == line[caret - 1] or line[caret - 1] == "…"


def test_paths_are_shown_from_the_root() -> None:
    options = RenderOptions(root="/src/project")
    assert options.relative("/src/project/a/b.py") == "a/b.py"
    assert options.relative("/elsewhere/b.py") == "/elsewhere/b.py"
    assert options.relative("a/b.py") == "a/b.py"


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="known: text, concise, json"):
        render("yaml", Report())


def stubbed(file: str, *names: str) -> Problem:
    said = f"{names[0]} could not be imported and was stubbed; results may be incomplete"
    hint = "install what the file imports for a complete check"
    return Problem(ProblemKind.STUBBED_IMPORT, file, said, hint, 3, names=names)


def test_packages_that_several_files_lack_are_one_line() -> None:
    problems = (stubbed("a.py", "cv9", "p1"), stubbed("b.py", "p2", "cv9"), stubbed("c.py", "cv9"))
    said = notes(Report(problems=problems), OPTIONS)
    assert said.splitlines()[:2] == [
        "note (stubbed-import): cv9, p1 and p2 could not be imported in 3 files and were stubbed; "
        "results may be incomplete (-v lists them)",
        "    hint: install what the files import for a complete check",
    ]
    many = (stubbed("a.py", *"abcde"), stubbed("b.py", "b"))
    assert "b, a, c and 2 other packages" in notes(Report(problems=many), OPTIONS)
    assert notes(Report(problems=problems), replace(OPTIONS, verbose=True)).count("c.py:3") == 1


def test_a_note_of_one_file_keeps_its_place() -> None:
    said = notes(Report(problems=(stubbed("a.py", "cv9"),)), OPTIONS)
    assert said.startswith("a.py:3: note (stubbed-import): cv9 could not be imported")


def test_the_same_note_on_several_files_is_said_once() -> None:
    same = [Problem(ProblemKind.STUBBED_IMPORT, f, "it fails", f"hint {f}", 1) for f in ("a", "b")]
    said = notes(Report(problems=tuple(same)), OPTIONS)
    assert said.splitlines()[0] == "note (stubbed-import): in 2 files: it fails (-v lists them)"
    blocking = tuple(replace(each, blocking=True) for each in same)
    assert notes(Report(problems=blocking), OPTIONS).count("not checked (stubbed-import)") == 2
