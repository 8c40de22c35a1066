from __future__ import annotations

from collections.abc import Iterable

import pytest

from bnlint.domain.finding import Finding, Severity
from bnlint.domain.graph import Location
from bnlint.findings.suppress import RuleNames, Suppressed, suppress

KNOWN = {"BN101": "norm-after-activation", "BN102": "missing-norm", "BN301": "redundant-bias"}
NAMES = RuleNames(KNOWN)


def _finding(rule: str, line: int, layer: str = "conv", anchors: Iterable[int] = ()) -> Finding:
    return Finding(
        rule,
        KNOWN[rule],
        Severity.WARNING,
        "m",
        Location("net.py", line, 9),
        "Net",
        layer,
        anchors=tuple(Location("net.py", line) for line in anchors),
    )


def _run(
    text: str, *findings: Finding, names: RuleNames = NAMES, decided: Iterable[str] | None = KNOWN
) -> Suppressed:
    checked = {} if decided is None else {"net.py": frozenset(decided)}
    return suppress(findings, {"net.py": text}.get, checked, names)


def _rules(result: Suppressed) -> list[str]:
    return [finding.rule for finding in result.kept]


def test_an_id_a_name_or_the_start_of_an_id_names_a_rule() -> None:
    for word in ("BN301", "bn301", "redundant-bias", "BN3", "BN"):
        result = _run(f"conv = 1  # bnlint: ignore[{word}]\n", _finding("BN301", 1))
        assert (result.kept, result.count) == ((), 1), word


def test_other_rules_and_other_lines_stay() -> None:
    text = "conv = 1  # bnlint: ignore[BN301]\nother = 2\n"
    result = _run(text, _finding("BN301", 1), _finding("BN101", 1), _finding("BN301", 2))
    assert _rules(result) == ["BN101", "BN301"]
    assert result.count == 1


def test_a_comment_counts_at_a_call_and_at_the_model_too() -> None:
    text = "a = 1\nb = a(2)  # bnlint: ignore[BN301]\n"
    assert _run(text, _finding("BN301", 1, anchors=[2])).kept == ()
    assert _rules(_run(text, _finding("BN301", 1))) == ["BN301", "BN900"]


def test_one_line_that_builds_many_layers_counts_once() -> None:
    text = "convs = 1  # bnlint: ignore[BN301]\n"
    many = [_finding("BN301", 1, f"convs.{n}") for n in range(16)]
    assert _run(text, *many).count == 1


def test_a_comment_at_one_call_leaves_the_other_layers_of_the_line() -> None:
    text = "convs = 1\na(1)  # bnlint: ignore[BN301]\nb(1)\n"
    result = _run(text, _finding("BN301", 1, "convs.0", [2]), _finding("BN301", 1, "convs.1", [3]))
    assert [f.layer for f in result.kept] == ["convs.1"]


def test_an_unused_word_is_reported_at_its_comment() -> None:
    result = _run("x = 1  # bnlint: ignore[BN301, BN102] -- why\n", _finding("BN301", 1))
    (unused,) = result.kept
    assert (unused.rule, unused.name, unused.severity) == (
        "BN900",
        "unused-suppression",
        Severity.WARNING,
    )
    assert unused.location == Location("net.py", 1, 8)
    assert "BN102" in unused.message


def test_an_unknown_rule_is_said_to_be_unknown() -> None:
    (finding,) = _run("x = 1  # bnlint: ignore[BN999]\n").kept
    assert finding.message == "no rule is called 'BN999'"


def test_nothing_is_unused_where_it_could_not_be_seen() -> None:
    text = "x = 1  # bnlint: ignore[BN301]\n"
    assert _run(text, decided=None).kept == ()
    assert _run(text, decided=("BN101", "BN102")).kept == ()


def test_a_bare_comment_hides_all_and_is_reported() -> None:
    result = _run("x = 1  # bnlint: ignore\n", _finding("BN301", 1), _finding("BN101", 1))
    assert _rules(result) == ["BN901"]
    assert result.count == 2
    assert _rules(_run("x = 1  # bnlint: ignore[]\n", _finding("BN301", 1))) == ["BN901"]


def test_the_linters_own_rules_follow_their_severity() -> None:
    names = RuleNames(KNOWN, lambda path: {"BN900": Severity.ERROR} if path == "net.py" else {})
    result = _run("x = 1  # bnlint: ignore\ny = 2  # bnlint: ignore[BN301]\n", names=names)
    assert [(f.rule, f.severity) for f in result.kept] == [("BN900", Severity.ERROR)]


@pytest.mark.parametrize(
    "comment", ["disable=BN301", "ignor[BN301]", "noqa: BN301", "skipfile", "Ignored[BN301]", "off"]
)
def test_words_of_other_linters_and_slips_are_told(comment: str) -> None:
    result = _run(f"x = 1  # bnlint: {comment}\n", _finding("BN301", 1))
    assert _rules(result) == ["BN301", "BN900"]
    assert result.kept[1].location == Location("net.py", 1, 8)
    assert "write # bnlint: ignore[BN301]" in result.kept[1].message


def test_a_comment_that_only_mentions_bnlint_is_none() -> None:
    text = "x = 1  # bnlint: the norm is checked there\ny = 1  # see bnlint: BN301\n"
    assert _run(text).kept == ()
