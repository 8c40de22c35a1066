"""Conditions, references and fixes of a rule, checked against the captures it makes."""

from __future__ import annotations

from collections.abc import Collection

from yaml.nodes import Node, ScalarNode, SequenceNode

from bnlint.domain.graph import Value
from bnlint.domain.rule import Condition, FixRecipe, Operand
from bnlint.engine.conditions import OPERATORS, Operator
from bnlint.engine.nodes import Reader
from bnlint.engine.vocabulary import (
    ACTIONS,
    MODEL_WORDS,
    MODULE_WORDS,
    OP_WORDS,
    did_you_mean,
    is_fact,
)

SHAPE_OF_A_CONDITION = "a condition is [$capture.fact, operator, value]"


class Expressions:
    """Reads what refers to ``captures``; notes mistakes on the reader."""

    def __init__(
        self, reader: Reader, captures: tuple[str, ...], over: str, settings: Collection[str]
    ) -> None:
        self.reader = reader
        self.captures = captures
        self._facts = MODULE_WORDS if over == "modules" else OP_WORDS
        self._settings = settings

    def words(self, subject: str) -> Collection[str] | None:
        """The facts that ``subject`` has, or None for a subject that does not exist."""
        if subject == "model":
            return MODEL_WORDS
        if subject == "settings":
            return self._settings
        return self._facts if subject in self.captures else None

    def problem(self, subject: str, fact: str) -> str:
        """What is wrong with ``subject.fact``; empty if nothing is."""
        words = self.words(subject)
        if words is None:
            return f"nothing is captured as {subject!r}"
        return "" if is_fact(fact, words) else f"no fact is called {fact!r}"

    def suggestion(self, subject: str, fact: str) -> str:
        """The nearest subject or fact."""
        words = self.words(subject)
        if words is None:
            return did_you_mean(subject, (*self.captures, "model", "settings"))
        return did_you_mean(fact, words)

    def conditions(self, node: Node, what: str) -> tuple[Condition, ...]:
        """A list of conditions; a single condition counts as a list of one."""
        items = self.reader.sequence(node, what)
        if items and isinstance(items[0], ScalarNode):
            items = [node]
        if not items:
            self.reader.wrong(node, f"{what} holds no condition", SHAPE_OF_A_CONDITION)
        found = (self._condition(item) for item in items)
        return tuple(c for c in found if c is not None)

    def _condition(self, node: Node) -> Condition | None:
        parts = node.value if isinstance(node, SequenceNode) else []
        if not 2 <= len(parts) <= 3:
            self.reader.wrong(node, "this is no condition", SHAPE_OF_A_CONDITION)
            return None
        word = self.reader.word(parts[1], tuple(OPERATORS), "an operator")
        operator = OPERATORS.get(word)
        if operator is None:
            return None
        if len(parts) != operator.sides + 1:
            more = "nothing" if operator.sides == 1 else "a value"
            self.reader.wrong(node, f"{word!r} takes {more} on its right", SHAPE_OF_A_CONDITION)
            return None
        right = self._operand(parts[2]) if operator.sides == 2 else Operand()
        if operator.sides == 2:
            self._check_right(parts[2], operator, right)
        left = self._operand(parts[0])
        if not left.subject:
            self.reader.wrong(parts[0], "the left side must be a fact", SHAPE_OF_A_CONDITION)
        return Condition(left, word, right, self.reader.location(node))

    def _check_right(self, node: Node, operator: Operator, right: Operand) -> None:
        if right.subject:
            return
        value = right.value
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if operator.takes == "number" and not number:
            self.reader.wrong(node, f"{operator.word!r} compares with a number")
        if operator.takes == "list" and not isinstance(value, tuple):
            self.reader.wrong(node, f"{operator.word!r} takes a list: [a, b]")

    def _operand(self, node: Node) -> Operand:
        value: Value = self.reader.value(node, "an operand")
        plain = isinstance(node, ScalarNode) and not node.style
        if not (plain and isinstance(value, str) and value.startswith("$")):
            return Operand(value=value)
        subject, _, fact = value[1:].partition(".")
        problem = self.problem(subject, fact)
        if problem:
            self.reader.wrong(node, f"{value}: {problem}", self.suggestion(subject, fact))
        return Operand(subject, fact)

    def fix(self, node: Node) -> FixRecipe | None:
        """The fix: one action with its roles and values, and how safe it is."""
        parts = self.reader.mapping(node, (*ACTIONS, "safety"), "fix", ("safety",))
        actions = [name for name in parts if name in ACTIONS]
        if len(actions) != 1 or "safety" not in parts:
            self.reader.wrong(node, "a fix names one action and its safety")
            return None
        action = ACTIONS[actions[0]]
        keys = (*action.roles, *action.arguments)
        body = self.reader.mapping(parts[actions[0]], keys, actions[0], keys)
        return FixRecipe(
            action=actions[0],
            safety=self.reader.word(parts["safety"], ("safe", "unsafe"), "safety"),
            roles={
                role: self.reader.word(body[role], self.captures, role)
                for role in action.roles
                if role in body
            },
            arguments={
                name: self._operand(body[name]) for name in action.arguments if name in body
            },
        )
