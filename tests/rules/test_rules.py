"""Every built-in rule, tested by the examples in its file."""

from __future__ import annotations

import pytest

from bnlint.engine.catalogue import built_in_files, load_rules
from bnlint.selftest import check_rule
from bnlint.tracing.file import trace_source

RULES = load_rules(built_in_files())
FORMS = [form for rule in RULES for form in rule.alone()]


@pytest.mark.parametrize("rule", FORMS, ids=lambda rule: f"{rule.id} {rule.form}".strip())
def test_rule(rule):
    result = check_rule(rule, RULES, trace_source)
    assert result.failures == ()
    assert result.examples == len(rule.bad) + len(rule.good)
