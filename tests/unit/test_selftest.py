from __future__ import annotations

import json

import pytest

from bnlint.selftest import expectations, test_rules
from tests.unit.engine.rule_texts import HEAD, REDUNDANT_BIAS
from tests.unit.graphs import Builder

BAD = "conv bias bn  # expect: XX101"
GOOD = "conv bn"
EXCUSED = "conv bias bn add"


def trace(code: str, name: str):
    """Code is the words of a chain here; every op stands on line 1."""
    words = code.partition("#")[0].split()
    if "broken" in words:
        raise RuntimeError("the code is broken")
    net = Builder()
    net.add("input")
    conv = net.add("conv2d", "conv", bias="bias" in words, line=1)
    if "bn" in words:
        net.add("batchnorm2d", "bn", line=1)
    if "add" in words:
        net.add("add", reads=(conv, net.ops[-1].id))
    return (net.build(),) if words != ["none"] else ()


def results(tmp_path, *, bad=(BAD,), good=(GOOD, EXCUSED), body=REDUNDANT_BIAS, others=()):
    examples = f"examples: {{bad: {json.dumps(bad)}, good: {json.dumps(good)}}}\n"
    path = tmp_path / "XX101-a-name.yaml"
    path.write_text(HEAD + body + "docs: {why: because}\n" + examples, encoding="utf-8")
    (result,) = test_rules([path], trace, others=others)
    return result


def messages(tmp_path, **parts) -> str:
    return "\n".join(f.message for f in results(tmp_path, **parts).failures)


def test_a_good_rule_passes(tmp_path):
    result = results(tmp_path)
    assert result.failures == ()
    assert (result.rule, result.examples) == ("XX101", 3)


def test_a_bad_example_that_is_not_reported_fails(tmp_path):
    assert "XX101 is silent on line 1" in messages(tmp_path, bad=["conv bn  # expect: XX101"])


def test_a_bad_example_without_a_mark_fails(tmp_path):
    said = messages(tmp_path, bad=["conv bias bn"])
    assert "marks no line" in said
    assert "fires on line 1" in said


def test_a_good_example_that_is_reported_fails(tmp_path):
    assert "XX101 fires on line 1" in messages(tmp_path, good=["conv bias bn"])


def test_the_wrong_line_fails_twice(tmp_path):
    said = messages(tmp_path, bad=["conv bias bn\n# expect: XX101"])
    assert "silent on line 2" in said
    assert "fires on line 1" in said


def test_an_unless_that_no_example_needs_fails(tmp_path):
    said = messages(tmp_path, good=[GOOD])
    assert said == "no example needs unless 'another reader'"


def test_a_where_that_no_example_needs_fails(tmp_path):
    said = messages(tmp_path, good=[EXCUSED])
    assert said == "no example needs where [$kernel.bias, eq, True]"


def test_a_downgrade_that_no_example_needs_fails(tmp_path):
    body = REDUNDANT_BIAS + "downgrade: [{to: info, because: b, if: [$bn.eps, eq, 3]}]\n"
    assert "needs downgrade 'b'" not in messages(tmp_path, good=[GOOD])
    said = messages(tmp_path, body=body.replace("$bn.eps, eq, 3", "$bn.users, eq, 9"))
    assert said == "no example needs downgrade 'b'"


def test_an_expected_severity_is_checked(tmp_path):
    assert "is warning, not info" in messages(tmp_path, bad=["conv bias bn  # expect: XX101(info)"])


def test_an_example_that_breaks_is_a_failure_and_no_crash(tmp_path):
    assert "the code is broken" in messages(tmp_path, bad=[BAD, "broken  # expect: XX101"])
    assert "no model" in messages(tmp_path, good=[GOOD, EXCUSED, "none"])
    assert "is no expectation" in messages(tmp_path, bad=[BAD, "conv  # expect: that"])


@pytest.mark.parametrize("kind", ["bad", "good"])
def test_a_rule_needs_both_kinds_of_example(tmp_path, kind):
    assert f"no {kind} example" in messages(tmp_path, **{kind: ()})


def test_other_rules_must_be_silent_too(tmp_path):
    path = tmp_path / "XX102-any.yaml"
    body = "match: [{bn: {is: batchnorm}}]\nreport: {at: bn, message: m}\n"
    head = HEAD.replace("XX101", "XX102").replace("a-name", "any")
    docs = "docs: {why: w}\nexamples: {bad: [x], good: [y]}\n"
    path.write_text(head + body + docs, encoding="utf-8")
    from bnlint.engine.catalogue import load_rules

    others = load_rules([path])
    assert "XX102 fires on line 1" in messages(tmp_path, others=others)
    both = "conv bias bn  # expect: XX101, XX102"
    marked = [f"{text}  # expect: XX102" for text in (GOOD, EXCUSED)]
    assert messages(tmp_path, bad=[both], good=marked, others=others) == ""


def test_expectations_are_comments_only():
    code = 'text = "# expect: BN101"\nx = 1  # expect: BN105(info), BN301\n'
    assert expectations(code) == (("BN105", 2, "info"), ("BN301", 2, ""))
