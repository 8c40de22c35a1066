"""What the references of a rule mean for one match."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.domain.graph import ModuleInfo, Op, Value
from bnlint.domain.rule import Operand, Rule
from bnlint.engine.match import Match, Subject
from bnlint.engine.placeholders import placeholders
from bnlint.graph.facts import OP_FACTS, Answer, Facts


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

    def hangs_on_shapes(self, rule: Rule) -> bool:
        """True when a fact that must hold, or that is told, was answered from traced shapes.

        Excuses do not count: a finding stands without them.
        """
        asked = {(o.subject, o.fact) for c in rule.where for o in (c.left, c.right)}
        asked.update(placeholders(rule.report.message))
        return any(self._from_shapes(subject, fact) for subject, fact in asked)

    def _from_shapes(self, subject: str, fact: str) -> bool:
        bound = self.match.get(subject)
        if not isinstance(bound, Op) or fact in bound.facts:
            return False
        known = OP_FACTS.get(fact)
        seen = any(s is not None for s in (*bound.inputs[:1], *bound.outputs[:1]))
        return known is not None and known.shapes and seen


def name_of(subject: Subject) -> str:
    """The layer's or module's name for people."""
    return subject.path if isinstance(subject, ModuleInfo) else subject.layer
