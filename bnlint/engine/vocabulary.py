"""The words that a rule file may use; every other word is a mistake with a suggestion."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from bnlint.config.settings import RULE_SETTINGS
from bnlint.domain.phrases import closest
from bnlint.graph.facts import INITIAL_PREFIX, MODEL_FACTS, MODULE_FACTS, OP_FACTS, OWN_FACTS

SETTINGS = frozenset(RULE_SETTINGS)
MODEL_WORDS = frozenset((*MODEL_FACTS,))
OP_WORDS = frozenset((*OWN_FACTS, *OP_FACTS))
MODULE_WORDS = frozenset((*OWN_FACTS, *MODULE_FACTS))
SUBJECTS = frozenset(("model", "settings"))
"""Subjects that are no captures; ``convention`` stands in a convention's message only."""
CONVENTION_WORDS = frozenset(("count", "total", "share"))


@dataclass(frozen=True, slots=True)
class Action:
    """A fix: ``roles`` name captures, ``arguments`` hold values."""

    roles: tuple[str, ...]
    arguments: tuple[str, ...] = ()


ACTIONS: Mapping[str, Action] = {
    "set-argument": Action(("of",), ("name", "to")),
    "move-argument": Action(("of",), ("name", "to", "value")),
    "rename-call": Action(("of",), ("to",)),
    "swap": Action(("first", "second")),
    "remove": Action(("of",)),
    "module-list": Action(("of",)),
    "comprehension": Action(("of",)),
}


def is_fact(name: str, words: Collection[str]) -> bool:
    """True for a fact of the table, or one read from initial weights."""
    return name in words or (words is not MODEL_WORDS and name.startswith(INITIAL_PREFIX))


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """A hint that names the nearest word, or lists all when they are few."""
    return closest(word, words, most=16)
