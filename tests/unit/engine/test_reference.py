from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bnlint.domain.rule import MEASURES
from bnlint.engine.conditions import OPERATORS
from bnlint.engine.expressions import ACTIONS, CONVENTION_WORDS
from bnlint.engine.reader import SETTINGS
from bnlint.graph.facts import MODEL_FACTS, MODULE_FACTS, OP_FACTS, OWN_FACTS, Fact
from bnlint.layers.table import tags

README = Path(__file__).parents[3] / "rules" / "README.md"
MARK = "--update-golden` -->\n"


def test_the_document_for_rule_authors_lists_every_word(request):
    text = README.read_text(encoding="utf-8")
    written = text.partition(MARK)[0] + MARK + "\n" + reference()
    if request.config.getoption("--update-golden"):
        README.write_text(written, encoding="utf-8")
    assert README.read_text(encoding="utf-8") == written


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
