"""Rule files for tests, short on purpose."""

from __future__ import annotations

from bnlint.domain.rule import Rule
from bnlint.engine.rule_file import parse_rule

HEAD = """\
id: XX101
name: a-name
severity: warning
summary: it is so
"""
TAIL = """\
docs: {why: because}
examples: {bad: [x], good: [y]}
"""
REDUNDANT_BIAS = """\
match:
  - kernel: {is: kernel}
  - through: {is: passthrough}
  - bn: {is: batchnorm}
where:
  - [$kernel.bias, eq, true]
unless:
  - because: another reader
    if: [$kernel.users, gt, 1]
report: {at: kernel, related: [bn], message: "{kernel.path} has a bias; {bn.path} cancels it"}
fix: {set-argument: {of: kernel, name: bias, to: false}, safety: unsafe}
"""


def rule_of(body: str = REDUNDANT_BIAS) -> Rule:
    """The parsed rule with that middle part."""
    return parse_rule(HEAD + body + TAIL, "<test>")
