"""A rule file while it is read: its nodes, the names that it may use, and every mistake in it.

YAML's own scalars are traps in a rule: ``on`` and ``off`` are booleans, ``1e-5`` is a string, a
repeated key silently wins. So values are read here from the nodes' text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from copy import copy

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bnlint.config.settings import RULE_SETTINGS
from bnlint.domain.errors import Mistake
from bnlint.domain.graph import Location, Scalar, Value
from bnlint.domain.phrases import did_you_mean, first_line
from bnlint.graph.facts import INITIAL_PREFIX, MODEL_FACTS, MODULE_FACTS, OP_FACTS, OWN_FACTS

SETTINGS = frozenset(RULE_SETTINGS)
MODEL_WORDS = frozenset(MODEL_FACTS)
OP_WORDS = frozenset((*OWN_FACTS, *OP_FACTS))
MODULE_WORDS = frozenset((*OWN_FACTS, *MODULE_FACTS))

_OF_ALL = {"model": MODEL_WORDS, "settings": SETTINGS}
"""The words by subject that need no capture."""
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: Mapping[str, Scalar] = {"true": True, "false": False, "null": None, "~": None, "": None}
_MAX_DEPTH = 20


def scalar(text: str, *, plain: bool) -> Scalar:
    """The value of a scalar: a quoted one is text; plain ones may be true, false, null, numbers."""
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def kind_of(node: Node) -> str:
    """What a person calls the node."""
    if isinstance(node, MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, SequenceNode) else f"{node.value!r}"


class Reader:
    """Reads one file's nodes; each read returns a usable value and notes what is wrong."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.captures: tuple[str, ...] = ()
        self.mistakes: list[Mistake] = []
        self._text = text
        self._lines = text.splitlines()
        self._words: Mapping[str, Collection[str]] = _OF_ALL

    def knowing(self, captures: tuple[str, ...], over: str) -> Reader:
        """The reader of what refers to ``captures`` of operations or modules."""
        inner = copy(self)
        inner.captures = captures
        facts = MODULE_WORDS if over == "modules" else OP_WORDS
        inner._words = {**dict.fromkeys(captures, facts), **_OF_ALL}
        return inner

    def problem(self, subject: str, fact: str) -> tuple[str, str]:
        """What is wrong with a reference to ``subject.fact``, and a hint; empty if nothing is."""
        words = self._words.get(subject)
        if words is None:
            hint = did_you_mean(subject, (*self.captures, "model", "settings"))
            return f"nothing is captured as {subject!r}", hint
        if fact in words or (subject != "model" and fact.startswith(INITIAL_PREFIX)):
            return "", ""
        return f"no fact is called {fact!r}", did_you_mean(fact, words)

    def wrong(self, at: Node | Location, message: str, hint: str = "") -> None:
        """Notes a mistake at a node or place."""
        where = at if isinstance(at, Location) else self.location(at)
        excerpt = self._lines[where.line - 1] if where.line <= len(self._lines) else ""
        self.mistakes.append(Mistake(message, where, excerpt, hint))

    def location(self, node: Node) -> Location:
        """Where ``node`` begins."""
        mark = node.start_mark
        return Location(self.path, mark.line + 1, mark.column + 1)

    def root(self) -> Node | None:
        """The one document of the file, or None with the mistake noted."""
        start = Location(self.path, 1, 1)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            node: Node | None = yaml.compose(self._text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = Location(self.path, mark.line + 1, mark.column + 1) if mark else start
            hint = "quote the text if it holds a colon, a bracket or a quote"
            self.wrong(where, f"not YAML: {error.problem or error.context}", hint)
            return None
        except (yaml.YAMLError, RecursionError) as error:
            self.wrong(start, f"not YAML: {first_line(error)}")
            return None
        if node is None:
            self.wrong(start, "the file is empty", "see rules/README.md")
            return None
        return node if self._is_tree(node) else None

    def _is_tree(self, root: Node) -> bool:
        """False, with the mistake noted, for aliases, tags and nesting that nobody writes."""
        seen: set[int] = set()
        todo: list[tuple[Node, int]] = [(root, 0)]
        while todo:
            node, depth = todo.pop()
            if id(node) in seen or depth > _MAX_DEPTH:
                what = "an alias (*name)" if depth <= _MAX_DEPTH else "nesting this deep"
                self.wrong(node, f"{what} is not part of the rule language")
                return False
            seen.add(id(node))
            if node.tag.startswith("!") and node.tag != "!":
                hint = "operators are words: eq ne lt le gt ge in not-in has"
                self.wrong(node, f"{node.tag!r} is a YAML tag here", hint)
            todo += [(child, depth + 1) for child in _children(node)]
        return not self.mistakes

    def mapping(
        self, node: Node, allowed: Collection[str] | None, what: str, required: Collection[str] = ()
    ) -> dict[str, Node]:
        """The entries of a mapping; unknown, repeated and missing keys are mistakes."""
        if not isinstance(node, MappingNode):
            self.wrong(node, f"{what} must be a mapping, not {kind_of(node)}")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else ""
            if not name:
                self.wrong(key, f"a key of {what} must be a word")
            elif name in found:
                first = self.location(found[name]).line
                self.wrong(key, f"{name!r} appears twice in {what} (first on line {first})")
            elif allowed is not None and name not in allowed:
                self.wrong(key, f"{what} has no key {name!r}", did_you_mean(name, allowed))
            else:
                found[name] = value
        for name in required:
            if name not in found:
                self.wrong(node, f"{what} lacks {name!r}")
        return found

    def sequence(self, node: Node, what: str) -> list[Node]:
        """The items of a list."""
        if isinstance(node, SequenceNode):
            return list(node.value)
        self.wrong(node, f"{what} must be a list, not {kind_of(node)}")
        return []

    def value(self, node: Node, what: str) -> Value:
        """A scalar, or a list of scalars as a tuple."""
        if isinstance(node, ScalarNode):
            return scalar(node.value, plain=not node.style)
        if isinstance(node, SequenceNode):
            return tuple(self.value(item, what) for item in node.value)
        self.wrong(node, f"{what} must be a value, not a mapping")
        return None

    def string(self, node: Node, what: str) -> str:
        """Text; a plain number or boolean is a mistake."""
        value = self.value(node, what)
        if isinstance(value, str):
            return value
        self.wrong(node, f"{what} must be text, not {kind_of(node)}", "quote it if it is text")
        return ""

    def boolean(self, node: Node, what: str) -> bool:
        """True or false."""
        value = self.value(node, what)
        if not isinstance(value, bool):
            self.wrong(node, f"{what} must be true or false, not {kind_of(node)}")
        return value is True

    def number(self, node: Node, what: str) -> float:
        """A number; 0 where there is something else."""
        value = self.value(node, what)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        self.wrong(node, f"{what} must be a number, not {kind_of(node)}")
        return 0

    def word(self, node: Node, words: Collection[str], what: str) -> str:
        """Text out of a closed list."""
        text = self.string(node, what)
        if text and text not in words:
            self.wrong(node, f"{what} cannot be {text!r}", did_you_mean(text, words))
        return text


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []
