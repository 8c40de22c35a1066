from __future__ import annotations

import pytest

from bnlint.domain.rule import Condition, Operand
from bnlint.engine.conditions import OPERATORS, decide, decide_all, unknown_facts
from bnlint.graph.facts import UNKNOWN

FACT = Operand("kernel", "bias")


def resolve(operand: Operand):
    return UNKNOWN if operand.subject else operand.value


def holds(left, word, right=None):
    return decide(Condition(Operand(value=left), word, Operand(value=right)), resolve)


@pytest.mark.parametrize(
    ("left", "word", "right", "expected"),
    [
        (1, "eq", 1.0, True),
        (True, "eq", 1, False),
        (0, "ne", False, True),
        (None, "eq", None, True),
        (2, "gt", 1, True),
        (1, "gt", 1, False),
        (1, "ge", 1, True),
        (0.5, "lt", 1, True),
        (1, "le", 0, False),
        (None, "ge", 0.5, False),
        (True, "ge", 0, False),
        ("a", "in", ("a", "b"), True),
        ("c", "not-in", ("a", "b"), True),
        (True, "in", (1, 2), False),
        (("a", "b"), "has", "a", True),
        (("a", "b"), "has-not", "a", False),
        (("a", "b"), "has-any", ("c", "b"), True),
        (("a", "b"), "has-all", ("a", "c"), False),
        (("a", "b"), "has-none", ("c",), True),
        (1, "is-known", None, True),
        (1, "is-unknown", None, False),
    ],
)
def test_operators(left, word, right, expected):
    assert holds(left, word, right) is expected


def test_every_operator_is_covered_above():
    words = {row[1] for row in test_operators.pytestmark[0].args[1]}
    assert words == set(OPERATORS)


@pytest.mark.parametrize("word", [w for w, o in OPERATORS.items() if o.sides == 2])
def test_an_unknown_side_leaves_two_sided_operators_undecided(word):
    assert decide(Condition(FACT, word, Operand(value=1)), resolve) is UNKNOWN
    assert decide(Condition(Operand(value=1), word, FACT), resolve) is UNKNOWN


def test_known_and_unknown_can_be_asked_for():
    assert decide(Condition(FACT, "is-known"), resolve) is False
    assert decide(Condition(FACT, "is-unknown"), resolve) is True


def test_false_beats_unknown_beats_true():
    true = Condition(Operand(value=1), "eq", Operand(value=1))
    false = Condition(Operand(value=1), "eq", Operand(value=2))
    unknown = Condition(FACT, "eq", Operand(value=True))
    assert decide_all([true, unknown], resolve) is UNKNOWN
    assert decide_all([unknown, false], resolve) is False
    assert decide_all([true], resolve) is True
    assert decide_all([], resolve) is True
    assert unknown_facts([true, unknown, unknown], resolve) == ("kernel.bias",)


def test_alternatives_are_true_before_unknown_before_false():
    true = Condition(Operand(value=1), "eq", Operand(value=1))
    false = Condition(Operand(value=1), "eq", Operand(value=2))
    unknown = Condition(FACT, "eq", Operand(value=True))

    def any_of(*alternatives: Condition):
        return Condition(Operand(), "any", alternatives=alternatives)

    assert decide(any_of(unknown, true), resolve) is True
    assert decide(any_of(false, unknown), resolve) is UNKNOWN
    assert decide(any_of(false, false), resolve) is False
    assert unknown_facts([any_of(false, unknown)], resolve) == ("kernel.bias",)
