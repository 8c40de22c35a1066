"""A pattern that most of a model follows is a convention: one finding, not one for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bnlint.domain.finding import Finding, Related
from bnlint.domain.graph import Op
from bnlint.domain.rule import Rule
from bnlint.engine.match import Match, Subject
from bnlint.engine.placeholders import fill
from bnlint.graph.facts import Answer, Facts
from bnlint.graph.view import layer_key

SHOWN = 5


def fold(
    rule: Rule, facts: Facts, matches: Sequence[Match], findings: Sequence[Finding]
) -> Finding | None:
    """The one finding that stands for all, or None when they are no convention."""
    convention = rule.convention
    if convention is None or not findings:
        return None
    tags = next(c.tags for c in rule.match if c.name == convention.of)
    count = len({_key(match[convention.of]) for match in matches})
    total = len({layer_key(op) for op in facts.view.fitting(tags)})
    if count < convention.at_least or count < convention.share * total:
        return None
    numbers = {"count": count, "total": total, "share": round(count / total, 2)}

    def look_up(subject: str, fact: str) -> Answer:
        return numbers[fact] if subject == "convention" else facts.model(fact)

    first, ref = findings[0], facts.view.graph.ref
    return replace(
        first,
        severity=convention.severity or first.severity,
        message=fill(convention.message, look_up),
        location=ref.definition or first.location,
        layer="",
        related=tuple(Related(f.layer, f.location, f.message) for f in findings[:SHOWN]),
        remedy=None,
    )


def _key(subject: Subject) -> str:
    return layer_key(subject) if isinstance(subject, Op) else subject.path
