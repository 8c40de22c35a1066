"""The words that a rule file may use; every other word is a mistake with a suggestion."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bnlint.config.settings import RULE_SETTINGS
from bnlint.domain.phrases import closest
from bnlint.edits import actions
from bnlint.graph.facts import INITIAL_PREFIX, MODEL_FACTS, MODULE_FACTS, OP_FACTS, OWN_FACTS

SETTINGS = frozenset(RULE_SETTINGS)
MODEL_WORDS = frozenset((*MODEL_FACTS,))
OP_WORDS = frozenset((*OWN_FACTS, *OP_FACTS))
MODULE_WORDS = frozenset((*OWN_FACTS, *MODULE_FACTS))
SUBJECTS = frozenset(("model", "settings"))
"""Subjects that are no captures; ``convention`` stands in a convention's message only."""
CONVENTION_WORDS = frozenset(("count", "total", "share"))


ACTIONS = actions()


def is_fact(name: str, words: Collection[str]) -> bool:
    """True for a fact of the table, or one read from initial weights."""
    return name in words or (words is not MODEL_WORDS and name.startswith(INITIAL_PREFIX))


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """A hint that names the nearest word, or lists all when they are few."""
    return closest(word, words, most=16)
