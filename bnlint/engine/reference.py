"""The tables of the rule language as markdown, written from the tables that the engine uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bnlint.engine.conditions import OPERATORS
from bnlint.engine.vocabulary import ACTIONS, CONVENTION_WORDS, SETTINGS
from bnlint.graph.facts import MODEL_FACTS, MODULE_FACTS, OP_FACTS, OWN_FACTS, Fact
from bnlint.layers.tags import TAGS


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
        ("Fixes", _fixes()),
        ("Tags", _words(TAGS)),
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
