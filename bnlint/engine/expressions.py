"""The pattern of a rule, and the conditions, references and fixes that refer to its captures."""

from __future__ import annotations

import re
from collections.abc import Collection

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bnlint.domain.graph import Value
from bnlint.domain.rule import MEASURES, Capture, Condition, EvidenceFrom, FixRecipe, Operand, Tags
from bnlint.engine.conditions import OPERATORS, Operator
from bnlint.engine.grammar import ANY, ARGUMENTS, CAPTURE, EVIDENCE, FIX, TAG_LISTS
from bnlint.engine.vocabulary import (
    ACTIONS,
    MODEL_WORDS,
    MODULE_WORDS,
    OP_WORDS,
    SUBJECTS,
    did_you_mean,
    is_fact,
)
from bnlint.engine.yaml_nodes import Reader

SHAPE_OF_A_CONDITION = "a condition is [$capture.fact, operator, value]"


class Pattern:
    """Reads the pattern; notes mistakes on the reader."""

    def __init__(self, reader: Reader, tags: Collection[str]) -> None:
        self.reader = reader
        self.tags = tags

    def captures(self, node: Node, over: str) -> tuple[Capture, ...]:
        """The captures, each with the gap before it."""
        found: list[Capture] = []
        gap: Tags | None = None
        items = self.reader.sequence(node, "match")
        for item in items:
            name, body = self._step(item)
            if name == "through":
                if not found or gap is not None or item is items[-1]:
                    self.reader.wrong(item, "a 'through' must stand between two captures")
                gap = self._tags(body, "through") if body else None
            elif name and body is not None:
                self._check_capture(item, name, found)
                found.append(Capture(name, self._tags(body, name), gap))
                gap = None
        if not found:
            self.reader.wrong(node, "match must capture something")
        elif over == "modules" and len(found) > 1:
            self.reader.wrong(node, "a rule over modules captures one module")
        return tuple(found)

    def _step(self, item: Node) -> tuple[str, Node | None]:
        entries = self.reader.mapping(item, None, "a step of match")
        if len(entries) != 1:
            self.reader.wrong(item, "a step of match has one name", "- bn: {is: batchnorm}")
            return "", None
        return next(iter(entries.items()))

    def _check_capture(self, item: Node, name: str, found: list[Capture]) -> None:
        if not re.fullmatch(CAPTURE, name) or name in SUBJECTS or name == "convention":
            self.reader.wrong(item, f"a capture cannot be named {name!r}")
        if name in (c.name for c in found):
            self.reader.wrong(item, f"two captures are named {name!r}")

    def _tags(self, node: Node, what: str) -> Tags:
        entries = self.reader.mapping(node, TAG_LISTS.keys, what)
        if isinstance(node, MappingNode) and not node.value:
            return Tags()
        return Tags(self._tag_list(entries.get("is")), self._tag_list(entries.get("not")))

    def _tag_list(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        items = node.value if isinstance(node, SequenceNode) else [node]
        return tuple(self.reader.word(item, self.tags, "a tag") for item in items)


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
        items = [node] if isinstance(node, MappingNode) else self.reader.sequence(node, what)
        if items and isinstance(items[0], ScalarNode):
            items = [node]
        if not items:
            self.reader.wrong(node, f"{what} holds no condition", SHAPE_OF_A_CONDITION)
        found = (self._condition(item) for item in items)
        return tuple(c for c in found if c is not None)

    def _condition(self, node: Node) -> Condition | None:
        if isinstance(node, MappingNode):
            return self._any(node)
        parts = node.value if isinstance(node, SequenceNode) else []
        if len(parts) == 1:
            return self._is_true(node, parts[0], True)
        if len(parts) == 2 and isinstance(parts[0], ScalarNode) and parts[0].value == "not":
            return self._is_true(node, parts[1], False)
        if not 2 <= len(parts) <= 3:
            self.reader.wrong(node, "this is no condition", SHAPE_OF_A_CONDITION)
            return None
        return self._compared(node, parts)

    def _any(self, node: MappingNode) -> Condition | None:
        """Alternatives, of which one must hold."""
        parts = self.reader.complete(node, ANY)
        if parts is None:
            return None
        found = self.conditions(parts["any"], "any")
        if len(found) < 2:
            self.reader.wrong(node, "any holds two conditions or more", SHAPE_OF_A_CONDITION)
        return Condition(Operand(), "any", location=self.reader.location(node), alternatives=found)

    def _is_true(self, node: Node, fact: Node, value: bool) -> Condition:
        """``[$a.b]`` and ``[not, $a.b]``."""
        return Condition(self._left(fact), "eq", Operand(value=value), self.reader.location(node))

    def _left(self, node: Node) -> Operand:
        left = self._operand(node)
        if not left.subject:
            self.reader.wrong(node, "the left side must be a fact", SHAPE_OF_A_CONDITION)
        return left

    def _compared(self, node: Node, parts: list[Node]) -> Condition | None:
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
        return Condition(self._left(parts[0]), word, right, self.reader.location(node))

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

    def evidence(self, node: Node) -> EvidenceFrom | None:
        """The measurement that bears the rule out; its name alone, or with a capture."""
        scalar = isinstance(node, ScalarNode)
        parts = {"measure": node} if scalar else self.reader.complete(node, EVIDENCE)
        if parts is None:
            return None
        of = parts.get("of")
        return EvidenceFrom(
            self.reader.word(parts["measure"], MEASURES, "a measurement"),
            self.reader.word(of, self.captures, "evidence.of") if of is not None else "",
        )

    def fix(self, node: Node) -> FixRecipe | None:
        """The fix: one action with its roles and values, and how safe it is."""
        parts = self.reader.table(node, FIX)
        actions = [name for name in parts if name in ACTIONS]
        if len(actions) != 1 or "safety" not in parts:
            self.reader.wrong(node, "a fix names one action and its safety")
            return None
        name, action = actions[0], ACTIONS[actions[0]]
        body = self.reader.table(parts[name], ARGUMENTS[name])
        return FixRecipe(
            action=name,
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
