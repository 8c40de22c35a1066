"""What holds of a match: its facts, and the closed table of operators on True, False, UNKNOWN."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bnlint.domain.graph import Op, Subject, Value
from bnlint.domain.rule import Condition, Operand
from bnlint.graph.facts import OP_FACTS, UNKNOWN, Answer, Facts, Unknown

Match: TypeAlias = Mapping[str, Subject]
Truth = bool | Unknown
Resolve = Callable[[Operand], Answer]


class Scope:
    """Resolves ``$capture.fact``, ``$model.fact`` and ``$settings.name`` for ``match``."""

    def __init__(self, facts: Facts, match: Match, settings: Mapping[str, Value]) -> None:
        self.facts = facts
        self.match = match
        self.settings = settings

    def resolve(self, operand: Operand) -> Answer:
        """The operand's value, or UNKNOWN."""
        subject = operand.subject
        return self.look_up(subject, operand.fact) if subject else operand.value

    def look_up(self, subject: str, fact: str) -> Answer:
        """One fact of one subject, or UNKNOWN."""
        bound = self.match.get(subject)
        if isinstance(bound, Op):
            return self.facts.op(bound, fact)
        if bound is not None:
            return self.facts.module(bound, fact)
        return self.facts.model(fact) if subject == "model" else self.settings.get(fact)

    def from_shapes(self, subject: str, fact: str) -> bool:
        """True when the fact was answered from traced shapes."""
        bound = self.match.get(subject)
        if not isinstance(bound, Op) or fact in bound.facts:
            return False
        known = OP_FACTS.get(fact)
        seen = any(s is not None for s in (*bound.inputs[:1], *bound.outputs[:1]))
        return known is not None and known.shapes and seen


@dataclass(frozen=True, slots=True)
class Operator:
    """A word of the language; ``sides`` is 1 for a question about the left operand alone.

    ``takes`` says what a literal on the right must be: any, number or list.
    """

    word: str
    meaning: str
    holds: Callable[[Value, Value], bool]
    sides: int = 2
    takes: str = "any"


def same(left: Value, right: Value) -> bool:
    """Equality in which ``true`` is not 1."""
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return left == right


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Value, Value], bool]:
    """A comparison of numbers; anything else (``null``, a word) is not in any order: False."""

    def holds(left: Value, right: Value) -> bool:
        return _number(left) and _number(right) and compare(left, right)  # type: ignore[arg-type]

    return holds


def _number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _among(value: Value, values: Value) -> bool:
    return isinstance(values, tuple) and any(same(value, v) for v in values)


def _listed(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)


def _has_any(left: Value, right: Value) -> bool:
    return any(_among(v, left) for v in _listed(right))


def _has_all(left: Value, right: Value) -> bool:
    return all(_among(v, left) for v in _listed(right))


_OPERATORS = (
    Operator("eq", "equal", same),
    Operator("ne", "not equal", lambda a, b: not same(a, b)),
    Operator("lt", "less than", _ordered(lambda a, b: a < b), takes="number"),
    Operator("le", "less than or equal", _ordered(lambda a, b: a <= b), takes="number"),
    Operator("gt", "greater than", _ordered(lambda a, b: a > b), takes="number"),
    Operator("ge", "greater than or equal", _ordered(lambda a, b: a >= b), takes="number"),
    Operator("in", "is one of a list", _among, takes="list"),
    Operator("not-in", "is none of a list", lambda a, b: not _among(a, b), takes="list"),
    Operator("has", "a list that holds the value", _has_any),
    Operator("has-not", "a list that does not hold the value", lambda a, b: not _has_any(a, b)),
    Operator("has-any", "a list that holds one of a list", _has_any, takes="list"),
    Operator("has-all", "a list that holds all of a list", _has_all, takes="list"),
    Operator("has-none", "a list that holds none of a list",
             lambda a, b: not _has_any(a, b), takes="list"),
    Operator("is-known", "the fact is known", lambda _a, _b: True, sides=1),
    Operator("is-unknown", "the fact is not known", lambda _a, _b: False, sides=1),
)  # fmt: skip
OPERATORS: Mapping[str, Operator] = {operator.word: operator for operator in _OPERATORS}


def decide(condition: Condition, resolve: Resolve) -> Truth:
    """True, False, or UNKNOWN where an operand is unknown."""
    if condition.alternatives:
        return decide_all(condition.alternatives, resolve, one_is_enough=True)
    left, operator = resolve(condition.left), OPERATORS[condition.operator]
    if operator.sides == 1:
        return (left is UNKNOWN) is (operator.word == "is-unknown")
    right = resolve(condition.right) if condition.right.subject else condition.right.value
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    return operator.holds(left, right)


def decide_all(
    conditions: Iterable[Condition], resolve: Resolve, *, one_is_enough: bool = False
) -> Truth:
    """False as soon as one is False; else UNKNOWN if one is; else True.

    Where one is enough: True as soon as one is True; else UNKNOWN if one is; else False.
    """
    truth: Truth = not one_is_enough
    for condition in conditions:
        one = decide(condition, resolve)
        if one is one_is_enough:
            return one
        if one is UNKNOWN:
            truth = UNKNOWN
    return truth


def unknown_facts(conditions: Iterable[Condition], resolve: Resolve) -> tuple[str, ...]:
    """The facts that the conditions ask for and that are unknown, as ``kernel.bias``."""
    missing: dict[str, None] = {}
    for condition in conditions:
        for operand in (condition.left, condition.right):
            if operand.subject and resolve(operand) is UNKNOWN:
                missing[f"{operand.subject}.{operand.fact}"] = None
        if condition.alternatives:
            missing.update(dict.fromkeys(unknown_facts(condition.alternatives, resolve)))
    return tuple(missing)
