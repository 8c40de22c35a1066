"""The words that a rule file may use, and their reference; any other word is a mistake."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bnlint.config.settings import RULE_SETTINGS
from bnlint.domain.phrases import closest
from bnlint.domain.rule import MEASURES
from bnlint.edits import actions
from bnlint.engine.conditions import OPERATORS
from bnlint.graph.facts import INITIAL_PREFIX, MODEL_FACTS, MODULE_FACTS, OP_FACTS, OWN_FACTS, Fact
from bnlint.layers.table import tags

SETTINGS = frozenset(RULE_SETTINGS)
MODEL_WORDS = frozenset((*MODEL_FACTS,))
OP_WORDS = frozenset((*OWN_FACTS, *OP_FACTS))
MODULE_WORDS = frozenset((*OWN_FACTS, *MODULE_FACTS))
SUBJECTS = frozenset(("model", "settings"))
"""Subjects that are no captures; ``convention`` is known in a convention's message only."""
CONVENTION_WORDS = frozenset(("count", "total", "share"))


ACTIONS = actions()


def is_fact(name: str, words: Collection[str]) -> bool:
    """True for a fact of the table, or one read from initial weights."""
    return name in words or (words is not MODEL_WORDS and name.startswith(INITIAL_PREFIX))


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """A hint that names the nearest word, or lists all when they are few."""
    return closest(word, words, most=16)


def reference() -> str:
    """Operators, tags, facts, fixes and settings: every word a rule file may use."""
    parts = [
        ("Operators", _rows((o.word, o.meaning) for o in OPERATORS.values())),
        ("Facts that tracing reads from an operation or module", _rows(OWN_FACTS.items())),
        ("Facts worked out for an operation", _facts(OP_FACTS)),
        ("Facts worked out for a registered module (`over: modules`)", _facts(MODULE_FACTS)),
        ("Facts of the model (`$model.…`)", _facts(MODEL_FACTS)),
        ("Settings (`$settings.…`)", _words(SETTINGS)),
        ("In a convention's message (`{convention.…}`)", _words(CONVENTION_WORDS)),
        ("Measurements of the probe (`evidence: {measure: …}`)", _rows(MEASURES.items())),
        ("Fixes", _fixes()),
        ("Tags", _words(tags())),
    ]
    return "\n".join(f"### {title}\n\n{body}\n" for title, body in parts)


def _facts(facts: Mapping[str, Fact[Any]]) -> str:
    return _rows((fact.name, fact.meaning) for fact in facts.values())


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(["| word | meaning |", "|---|---|", *(f"| `{w}` | {m} |" for w, m in rows)])


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))


def _fixes() -> str:
    return _rows(
        (name, f"captures: {', '.join(a.roles)}; values: {', '.join(a.arguments) or 'none'}")
        for name, a in ACTIONS.items()
    )
