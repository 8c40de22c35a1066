from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.domain.errors import RuleError, UsageError
from bnlint.domain.finding import Severity
from bnlint.engine.catalogue import (
    built_in_files,
    built_in_folder,
    load_rules,
    rule_files,
    select_rules,
)
from bnlint.engine.explain import explain
from tests.unit.engine.rule_texts import HEAD, REDUNDANT_BIAS, TAIL


def write(folder: Path, id: str, name: str, extra: str = "") -> Path:
    text = HEAD.replace("XX101", id).replace("a-name", name) + REDUNDANT_BIAS + TAIL + extra
    path = folder / f"{id}-{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def rules(tmp_path):
    write(tmp_path, "XX102", "second-rule", "downgrade: [{to: info, because: b, "
          "if: [$bn.eps, eq, 1]}]\n")  # fmt: skip
    write(tmp_path, "XX101", "first-rule")
    write(tmp_path, "XX201", "third-rule", "enabled: false\n")
    return load_rules(rule_files(["."], tmp_path))


def ids(rules) -> list[str]:
    return [rule.id for rule in rules]


def test_the_built_in_rules_are_found_in_a_checkout():
    assert all(path.name.startswith("BN") for path in built_in_files())
    assert load_rules(built_in_files())


def test_the_built_in_rules_of_a_wheel_win(tmp_path):
    package = tmp_path / "site" / "bnlint"
    write(tmp_path / "site" / "rules", "BN999", "beside")
    assert built_in_folder(package) == tmp_path / "site" / "rules"
    write(package / "rules", "BN998", "inside")
    assert built_in_folder(package) == package / "rules"


def test_missing_built_in_rules_are_an_error(tmp_path):
    with pytest.raises(UsageError, match="missing"):
        built_in_folder(tmp_path / "bnlint")


def test_files_are_found_by_folder_file_and_glob(tmp_path):
    one = write(tmp_path / "ci" / "bn", "XX101", "first-rule")
    two = write(tmp_path / "ci" / "bn" / "deep", "XX102", "second-rule")
    assert set(rule_files(["ci"], tmp_path)) == {one, two}
    assert rule_files(["ci/bn/*.yaml", f"ci/bn/{one.name}"], tmp_path) == (one,)
    assert set(rule_files(["ci/**/*.yaml"], tmp_path)) == {one, two}


def test_every_pattern_without_a_file_is_named(tmp_path):
    with pytest.raises(UsageError) as caught:
        rule_files(["a.yaml", "b/*.yaml"], tmp_path)
    assert len(caught.value.mistakes) == 2


def test_mistakes_of_all_files_are_collected(tmp_path):
    one = write(tmp_path, "XX101", "first-rule", "bogus: 1\n")
    two = write(tmp_path, "XX102", "second-rule", "bogus: 1\n")
    binary = tmp_path / "XX103.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RuleError) as caught:
        load_rules([one, two, binary, tmp_path / "gone.yaml"])
    assert len(caught.value.mistakes) == 4


@pytest.mark.parametrize(
    ("id", "name"), [("XX101", "other"), ("XX109", "first-rule"), ("BN900", "any")]
)
def test_ids_and_names_are_never_used_twice(tmp_path, id, name):
    write(tmp_path / "a", "XX101", "first-rule")
    write(tmp_path / "b", id, name)
    with pytest.raises(RuleError):
        load_rules(rule_files(["."], tmp_path))


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ((), (), ["XX101", "XX102"]),
        (("XX102",), (), ["XX102"]),
        (("XX1",), ("second-rule",), ["XX101"]),
        (("first-rule",), (), ["XX101"]),
        (("all",), (), ["XX101", "XX102", "XX201"]),
        (("ALL",), ("XX102",), ["XX101", "XX201"]),
        (("XX201",), (), ["XX201"]),
        (("XX",), (), ["XX101", "XX102"]),
        (("third-rule", "XX1"), (), ["XX101", "XX102", "XX201"]),
        ((), ("XX",), []),
        (("BN900",), (), []),
    ],
)
def test_selection(rules, select, ignore, expected):
    assert ids(select_rules(rules, select, ignore)) == expected


@pytest.mark.parametrize(
    ("select", "extend", "expected"),
    [
        ((), ("XX201",), ["XX101", "XX102", "XX201"]),
        (("XX101",), ("third-rule",), ["XX101", "XX201"]),
        (("XX101",), ("XX1",), ["XX101", "XX102"]),
        ((), ("XX2",), ["XX101", "XX102"]),
        ((), ("ALL",), ["XX101", "XX102", "XX201"]),
    ],
)
def test_more_rules_leave_out_none(rules, select, extend, expected):
    assert ids(select_rules(rules, select, extend=extend)) == expected


def test_a_severity_for_all_turns_none_on(rules):
    chosen = select_rules(rules, severities={"ALL": "info", "XX101": "error"})
    assert [(r.id, r.severity.value) for r in chosen] == [("XX101", "error"), ("XX102", "info")]


def test_unknown_words_are_all_named_with_a_suggestion(rules):
    with pytest.raises(UsageError) as caught:
        select_rules(rules, ["XX11", "frist-rule"], [""], {"nothing": "off"})
    assert len(caught.value.mistakes) == 4
    assert "first-rule" in caught.value.mistakes[1].hint


def test_severities(rules):
    chosen = select_rules(rules, severities={"XX": "error", "XX102": "warning", "XX101": "off"})
    assert {r.id: r.severity for r in chosen} == {"XX102": Severity.WARNING}
    assert chosen[0].downgrade == ()
    asked = select_rules(rules, severities={"third-rule": "info"})
    assert ids(asked) == ["XX101", "XX102", "XX201"]
    with pytest.raises(UsageError, match="warnin"):
        select_rules(rules, severities={"XX101": "warnin"})


def test_explain_says_everything_a_rule_file_says():
    rule = next(r for r in load_rules(built_in_files()) if r.id == "BN301")
    page = explain(rule)
    assert page.startswith("# redundant-bias (BN301)\n")
    for excuse in rule.unless:
        assert excuse.because in page
    for part in (rule.docs.why, rule.docs.evidence, rule.bad[0].code, rule.good[0].code):
        assert part.strip() in page
    for reference in rule.docs.references:
        assert reference in page
    assert "A fix is available (unsafe)" in page
    assert "# bnlint: ignore[BN301]" in page


def test_empty_sections_are_left_out(rules):
    page = explain(rules[0])
    assert "Evidence" not in page
    assert "Convention" not in page
    assert "Off unless asked for" in explain(rules[2])
