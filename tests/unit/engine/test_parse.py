from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnlint.domain import codec
from bnlint.domain.errors import RuleError
from bnlint.domain.finding import Severity
from bnlint.domain.rule import Capture, EvidenceFrom, Operand, Rule, Tags
from bnlint.engine.reader import scalar
from bnlint.engine.rule_file import RULE, parse_rule
from tests.unit.engine.rule_texts import HEAD, REDUNDANT_BIAS, TAIL, rule_of

REPORT = "match: [{k: {is: kernel}}]\nreport: {at: k, message: m}\n"


def mistakes(text: str, path: str = "<test>"):
    with pytest.raises(RuleError) as caught:
        parse_rule(text, path)
    return caught.value.mistakes


def only(body: str):
    (mistake,) = mistakes(HEAD + body + TAIL)
    return mistake


def test_a_rule_is_read_whole():
    rule = rule_of()
    assert rule.id == "XX101"
    assert rule.severity is Severity.WARNING
    assert rule.match == (
        Capture("kernel", Tags(("kernel",))),
        Capture("bn", Tags(("batchnorm",)), gap=Tags(("passthrough",))),
    )
    assert rule.where[0].left == Operand("kernel", "bias")
    assert rule.where[0].right == Operand(value=True)
    assert rule.unless[0].unknown_excuses
    assert rule.fix is not None
    assert rule.fix.roles == {"of": "kernel"}
    assert rule.fix.arguments["to"] == Operand(value=False)
    assert rule.enabled


def test_every_part_of_a_rule_survives_the_codec():
    body = (
        REDUNDANT_BIAS
        + "downgrade: [{to: info, because: b, if: [$bn.eps, in, [1e-5, [1, 2], null]]}]\n"
        + "evidence: {measure: bias-effect, of: kernel}\n"
        + "convention: {of: bn, share: 0.5, at-least: 2, message: 'm {convention.count}'}\n"
        + "enabled: false\n"
    )
    rule = rule_of(body)
    assert codec.decode(Rule, json.loads(json.dumps(codec.encode(rule)))) == rule


@pytest.mark.parametrize(
    ("text", "value"),
    [("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("true", True), ("false", False),
     ("1e-5", 1e-5), ("1", 1), ("-2", -2), ("0.5", 0.5), ("1.", 1.0), ("null", None), ("", None),
     ("1x3", "1x3"), ("0x10", "0x10"), ("012", 12), (".inf", ".inf"), ("2001-01-01", "2001-01-01")],
)  # fmt: skip
def test_plain_scalars_are_our_own(text, value):
    result = scalar(text, plain=True)
    assert result == value
    assert type(result) is type(value)
    assert scalar(text, plain=False) == text


def test_a_bare_fact_is_true_and_a_denied_one_is_false():
    rule = rule_of(REPORT + "where: [[$k.bias], [not, $k.lazy]]\n")
    long = rule_of(REPORT + "where: [[$k.bias, eq, true], [$k.lazy, eq, false]]\n")
    assert [str(c) for c in rule.where] == [str(c) for c in long.where]
    assert len(rule_of(REPORT + "where: [$k.bias]\n").where) == 1


def test_any_holds_alternatives():
    (clause,) = rule_of(REPORT + "where: {any: [[$k.bias], [$k.groups, gt, 1]]}\n").where
    assert [c.operator for c in clause.alternatives] == ["eq", "gt"]
    assert str(clause) == "{any: [[$k.bias, eq, True], [$k.groups, gt, 1]]}"


def test_evidence_names_a_measurement_and_a_capture():
    assert rule_of(REPORT + "evidence: bias-effect\n").evidence == EvidenceFrom("bias-effect")
    body = REPORT + "evidence: {measure: stuck-units, of: k}\n"
    assert rule_of(body).evidence == EvidenceFrom("stuck-units", "k")
    assert rule_of(REPORT).evidence is None


def test_forms_of_one_file_are_rules_by_themselves():
    form = f"forms:\n  - form: other\n    summary: s\n{indented(REPORT + TAIL)}"
    rule = rule_of(REPORT + form)
    first, second = rule.alone()
    assert (first.form, second.form) == ("", "other")
    assert (second.id, second.name, second.severity) == (rule.id, rule.name, rule.severity)


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def test_quoted_text_is_never_a_reference_or_a_number():
    rule = rule_of(REPORT + "where: [[$k.class, in, ['$k.bias', '1']]]\n")
    assert rule.where[0].right == Operand(value=("$k.bias", "1"))


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("macth: []\n" + REPORT, "no key 'macth'", "'match'"),
        (REPORT + "where: [[$k.biass, eq, true]]\n", "no fact is called 'biass'", "'bias'"),
        (REPORT + "where: [[$kk.bias, eq, true]]\n", "nothing is captured as 'kk'", "k"),
        (REPORT + "where: [[$k.bias, equals, true]]\n", "operator cannot be 'equals'", ""),
        (REPORT + "where: [[$k.bias, ne]]\n", "'ne' takes a value", "a condition is"),
        (REPORT + "where: [[$k.bias, is-known, 1]]\n", "'is-known' takes nothing", "a condition"),
        (REPORT + "where: [[bias, eq, true]]\n", "left side must be a fact", "a condition is"),
        (REPORT + "where: [[$k.users, gt, many]]\n", "compares with a number", ""),
        (REPORT + "where: [[$k.class, in, A]]\n", "takes a list", ""),
        (REPORT + "where: [[$model.blok, eq, true]]\n", "no fact is called 'blok'", "'block'"),
        (REPORT + "where: [[$settings.norm, eq, a]]\n", "no fact is called 'norm'", ""),
        (REPORT + "where: []\n", "where holds no condition", ""),
        (REPORT + "unless: [{if: [$k.bias, eq, true]}]\n", "lacks 'because'", ""),
        (REPORT + "fix: {set-argumnt: {of: k}, safety: safe}\n", "no key 'set-argumnt'", ""),
        (REPORT + "over: edges\n", "over cannot be 'edges'", "known: modules, ops"),
        (REPORT + "enabled: off\n", "true or false, not 'off'", ""),
        ("match: [{k: {is: kernle}}]\nreport: {at: k, message: m}\n", "'kernle'", "'kernel'"),
        ("match: [{k: {is: conv}}]\nreport: {at: q, message: m}\n", "report.at cannot be 'q'", "k"),
        ("match: [{k: {}}]\nreport: {at: k, message: '{k.pth}'}\n", "no fact is called", "'path'"),
        ("match: [{k: {}}]\nreport: {at: k, message: '{x.path}'}\n", "nothing is captured", "k"),
        ("match: [{through: {}}, {k: {}}]\nreport: {at: k, message: m}\n", "between two", ""),
        ("match: [{k: {}}, {through: {}}]\nreport: {at: k, message: m}\n", "between two", ""),
        ("match: [{k: {}}, {k: {}}]\nreport: {at: k, message: m}\n", "two captures", ""),
        ("match: [{model: {}}]\nreport: {at: model, message: m}\n", "cannot be named 'model'", ""),
        (REPORT + "where: [[$k.bias, eq, true]]\nwhere: []\n", "appears twice", ""),
        (REPORT + "where: [[$k.bias, !=, true]]\n", "is a YAML tag here", "ne"),
        (REPORT + "where: [[not, $k.biass]]\n", "no fact is called 'biass'", "'bias'"),
        (REPORT + "where: [bias]\n", "left side must be a fact", "a condition is"),
        (REPORT + "where: {all: [[$k.bias], [$k.lazy]]}\n", "no key 'all'", "any"),
        (REPORT + "where: {any: [$k.bias]}\n", "two conditions or more", ""),
        (REPORT + "evidence: bias-efect\n", "cannot be 'bias-efect'", "'bias-effect'"),
        (REPORT + "evidence: {measure: bias-effect, of: q}\n", "of cannot be 'q'", "k"),
        (REPORT + "evidence: {mesure: bias-effect}\n", "no key 'mesure'", "'measure'"),
        (REPORT + "forms: [{form: other}]\n", "a form lacks 'match'", ""),
    ],
)
def test_a_mistake_says_what_where_and_how(body, message, hint):
    found = mistakes(HEAD + body + TAIL)
    said = [m for m in found if message in m.message]
    assert said, [m.message for m in found]
    assert hint in said[0].hint
    assert said[0].location is not None
    assert said[0].location.line > 1
    assert said[0].excerpt == (HEAD + body + TAIL).splitlines()[said[0].location.line - 1]


def test_the_column_points_at_the_word():
    mistake = only(REPORT + "where: [[$k.biass, eq, true]]\n")
    assert mistake.excerpt[mistake.location.column - 1 :].startswith("$k.biass")


def test_all_mistakes_of_a_file_are_collected_in_order():
    body = "match: [{k: {is: kernle}}]\nreport: {at: q, message: m}\nwhere: [[$k.a, eq, 1]]\n"
    found = mistakes(HEAD.replace("warning", "fatal") + body + TAIL)
    assert len(found) == 4
    lines = [m.location.line for m in found]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    "text",
    ["", "- a\n", "a: [\n", "a: b: c\n", "\t", "{", "id: &x [*x]\n", "--- a\n--- b\n", "\x00", "'"],
)
def test_text_that_is_no_rule_is_a_mistake_and_no_crash(text):
    assert mistakes(text)


def test_aliases_cannot_blow_up():
    bomb = "id: &a [x, x]\nname: &b [*a, *a]\nsummary: &c [*b, *b]\nseverity: [*c, *c]\n"
    assert any("alias" in m.message for m in mistakes(bomb + REPORT + TAIL))


def test_the_id_starts_the_file_name():
    (mistake,) = mistakes(HEAD + REPORT + TAIL, "ci/BN1-other.yaml")
    assert "must start with the id: XX101" in mistake.message
    assert mistake.hint == "rename it to XX101-BN1-other.yaml"


def test_a_long_summary_is_a_mistake():
    long = HEAD.replace("it is so", "x" * 81)
    assert "81 characters" in mistakes(long + REPORT + TAIL)[0].message


def test_a_rule_over_modules_asks_module_facts():
    body = "over: modules\n" + REPORT + "where: [[$k.used, eq, false]]\n"
    assert rule_of(body).over == "modules"
    assert "no fact is called 'users'" in only(body.replace("used", "users")).message


WORDS = ("id", "match", "where", "report", "fix", "docs", "examples", "$k.bias", "kernel", "is")
LEAVES = st.one_of(st.sampled_from(WORDS), st.booleans(), st.integers(), st.none(), st.text())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)


WHOLE = {
    "id": "XX101",
    "name": "a-name",
    "severity": "warning",
    "summary": "s",
    "match": [{"k": {"is": "kernel"}}],
    "report": {"at": "k", "message": "m"},
    "docs": {"why": "w"},
    "examples": {"bad": ["x"], "good": ["y"]},
}


@given(st.dictionaries(st.sampled_from(sorted(RULE.keys)), TREES))
def test_whatever_stands_in_a_rule_file_is_a_mistake_or_a_rule(parts):
    said = []
    try:
        parse_rule(json.dumps({**WHOLE, **parts}), "<test>")
    except RuleError as error:
        said = [str(mistake) for mistake in error.mistakes]
    assert all(line.startswith("<test>:") for line in said)
    assert parts or not said


@given(st.text(max_size=60))
def test_any_text_is_a_mistake(text):
    with pytest.raises(RuleError):
        parse_rule(text, "<test>")
