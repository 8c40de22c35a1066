"""``--statistics``, and the sentence about fixes below the summary."""

from __future__ import annotations

from dataclasses import replace

from bnlint.domain.finding import Finding, RefusedFix, Remedy, Report, Severity
from bnlint.domain.graph import Location
from bnlint.report import RenderOptions
from bnlint.report.formats.text import notes
from bnlint.report.lines import fixable, next_fixes
from bnlint.report.statistics import statistics

OPTIONS = RenderOptions()
AT = Location("net.py", 3)
SAFE, UNSAFE = Remedy("a", "safe", {}), Remedy("a", "unsafe", {})


def _finding(rule: str, severity: str, remedy: Remedy | None = None, layer: str = "a") -> Finding:
    name = f"name-of-{rule}"
    return Finding(rule, name, Severity(severity), "", AT, "Net", layer, remedy=remedy)


def test_rules_are_counted_the_most_frequent_first() -> None:
    found = (
        _finding("BN2", "error"),
        _finding("BN301", "warning", UNSAFE),
        _finding("BN301", "warning", UNSAFE),
        _finding("BN301", "info", UNSAFE),
    )
    assert statistics(Report(found), OPTIONS).splitlines() == [
        "    2  BN301  warning  name-of-BN301  fix: unsafe",
        "    1  BN2    error    name-of-BN2",
        "    1  BN301  info     name-of-BN301  fix: unsafe",
    ]
    assert statistics(Report(), OPTIONS) == ""
    assert "\x1b[1;31merror" in statistics(Report(found), replace(OPTIONS, colour=True))


def test_fixes_that_would_be_tried_are_counted() -> None:
    safe, unsafe = _finding("BN1", "warning", SAFE), _finding("BN2", "warning", UNSAFE)
    hint = _finding("BN3", "info", SAFE)
    in_cell = replace(safe, location=replace(AT, cell=2))
    report = Report((safe, safe, unsafe, hint, in_cell, _finding("BN4", "error")))
    assert fixable(report) == {"safe": 2, "unsafe": 1}
    assert next_fixes(report) == "2 fixes available (`--fix`), 1 more with `--unsafe-fixes`"
    assert next_fixes(Report((safe,))) == "1 fix available (`--fix`)"
    assert next_fixes(Report((unsafe,))) == "1 fix available (`--fix --unsafe-fixes`)"
    assert next_fixes(Report((hint,))) == ""


def test_a_fix_that_was_refused_is_not_available() -> None:
    found = _finding("BN1", "warning", SAFE), _finding("BN1", "warning", SAFE, "b")
    report = Report(found, refused_fixes=(RefusedFix("BN1", "a", AT, "changes the output"),))
    assert fixable(report)["safe"] == 1


def test_the_sentence_follows_the_summary_unless_quiet() -> None:
    report = Report((_finding("BN1", "warning", SAFE),))
    assert notes(report, OPTIONS).endswith("(1 warning)\n1 fix available (`--fix`)\n")
    assert notes(report, replace(OPTIONS, quiet=True)) == ""
