"""Where a rule's path is found in a graph, and what the rule's references mean for one match.

Matching is a set search over gaps, never an enumeration of paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from bnlint.domain.graph import ModuleInfo, Op, Value
from bnlint.domain.rule import Capture, Operand, Rule
from bnlint.graph.facts import OP_FACTS, Answer, Facts
from bnlint.graph.view import View, fits

Subject: TypeAlias = Op | ModuleInfo
Match: TypeAlias = Mapping[str, Subject]
Found: TypeAlias = tuple[int, Match]
"""The position of the first capture of a match in the order of execution, and the match."""


def find_matches(view: View, rule: Rule) -> Iterator[Found]:
    """Every way to bind the rule's captures, in the order of execution of the first."""
    first = rule.match[0]
    if rule.over == "modules":
        for n, info in enumerate(view.graph.modules):
            if fits(info.tags, first.tags):
                yield n, {first.name: info}
        return
    if len(rule.match) == 1:
        for n in view.positions(first.tags):
            yield n, {first.name: view.ops[n]}
        return
    names = [capture.name for capture in rule.match]
    for path in _paths(view, rule.match):
        yield path[0], {name: view.ops[n] for name, n in zip(names, path, strict=True)}


def _paths(view: View, captures: Sequence[Capture]) -> Iterator[tuple[int, ...]]:
    """The positions that the captures take, for every way to take them."""
    set_of = view.set_of
    steps = [(view.search(c.gap), view.mask(c.tags)) for c in captures[1:]]
    for start in view.positions(captures[0].tags):
        todo: list[tuple[int, ...]] = [(start,)]
        while todo:
            path = todo.pop()
            if len(path) > len(steps):
                yield path
                continue
            search, mask = steps[len(path) - 1]
            met = [n for n in search.met(path[-1]) if mask[set_of[n]]]
            todo += [(*path, n) for n in reversed(met)]


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

    def from_shapes(self, subject: str, fact: str) -> bool:
        """True when the fact was answered from traced shapes."""
        bound = self.match.get(subject)
        if not isinstance(bound, Op) or fact in bound.facts:
            return False
        known = OP_FACTS.get(fact)
        seen = any(s is not None for s in (*bound.inputs[:1], *bound.outputs[:1]))
        return known is not None and known.shapes and seen


def name_of(subject: Subject) -> str:
    """The layer's or module's name for people."""
    return subject.path if isinstance(subject, ModuleInfo) else subject.layer
