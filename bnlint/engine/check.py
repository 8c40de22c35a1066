"""Rules applied to one graph: findings, and what could not be decided."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from bnlint.domain.finding import Finding, Undecided
from bnlint.domain.graph import ModelGraph, Value
from bnlint.domain.rule import Capture, Rule
from bnlint.engine.conditions import Match, Scope, decide_all, unknown_facts
from bnlint.engine.wording import fold, place_key, write_finding
from bnlint.graph.facts import INITIAL_PREFIX, UNKNOWN, Facts
from bnlint.graph.view import View, fits

Found: TypeAlias = tuple[int, Match]
"""The position of the first capture of a match in the order of execution, and the match."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings about one model, in rule and execution order, and the undecided matches."""

    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]


@dataclass(slots=True)
class _Outcome:
    """What one rule found so far: matches that fire or are undecided, by reported place."""

    fired: dict[str, Match] = field(default_factory=dict)
    undecided: dict[str, tuple[str, ...]] = field(default_factory=dict)


def check_graph(
    graph: ModelGraph, rules: Iterable[Rule], settings: Mapping[str, Value] | None = None
) -> Checked:
    """What ``rules`` say about ``graph``; one finding for each rule and reported layer."""
    with _no_collection():
        return _check(graph, rules, settings or {})


def _check(graph: ModelGraph, rules: Iterable[Rule], settings: Mapping[str, Value]) -> Checked:
    facts = Facts(View(graph))
    forms = [form for rule in rules for form in rule.alone()]
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    for rule, outcome in zip(forms, _outcomes(facts, forms, settings), strict=True):
        findings += _written(facts, rule, outcome, settings)
        open_ = {k: r for k, r in outcome.undecided.items() if k not in outcome.fired}
        if open_:
            reasons = dict.fromkeys(reason for each in open_.values() for reason in each)
            undecided.append(Undecided(rule.id, len(open_), tuple(reasons)))
    return Checked(tuple(findings), tuple(undecided))


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


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pauses the collector: the engine makes no cycles, and each pass would walk all ops again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _outcomes(facts: Facts, rules: Sequence[Rule], settings: Mapping[str, Value]) -> list[_Outcome]:
    """The outcome of every rule; all rules walk the graph together, a stretch at a time.

    A rule by itself would walk all of it before the next begins, and a large graph does not fit
    into the processor's cache.
    """
    walks = [_Walk(rule, _Outcome(), find_matches(facts.view, rule)) for rule in rules]
    size = max(len(facts.view.ops), len(facts.view.graph.modules))
    for start in range(0, size, _STRETCH):
        for walk in walks:
            walk.go(facts, settings, start + _STRETCH)
    return [walk.outcome for walk in walks]


_STRETCH = 128
"""Operations that all rules look at before they go on."""


@dataclass(slots=True)
class _Walk:
    """One rule on its way through the graph."""

    rule: Rule
    outcome: _Outcome
    matches: Iterator[Found]
    ahead: Found | None = None

    def go(self, facts: Facts, settings: Mapping[str, Value], end: int) -> None:
        """Judge the matches that begin before ``end``."""
        found = self.ahead or next(self.matches, None)
        while found is not None and found[0] < end:
            self._judge(Scope(facts, found[1], settings))
            found = next(self.matches, None)
        self.ahead = found

    def _judge(self, scope: Scope) -> None:
        verdict = _judge(self.rule, scope)
        if verdict is False:
            return
        key = place_key(scope.match[self.rule.report.at])
        if verdict is True:
            self.outcome.fired.setdefault(key, scope.match)
        else:
            self.outcome.undecided.setdefault(key, verdict)


def _judge(rule: Rule, scope: Scope) -> bool | tuple[str, ...]:
    """True when the match fires, False when it does not, else the facts that are unknown."""
    truth = decide_all(rule.where, scope.resolve)
    if truth is False:
        return False
    unknown = list(unknown_facts(rule.where, scope.resolve)) if truth is UNKNOWN else []
    if any(fact.partition(".")[2].startswith(INITIAL_PREFIX) for fact in unknown):
        return False  # built without initial values, there is nothing to be blind to
    for excuse in rule.unless:
        holds = decide_all(excuse.conditions, scope.resolve)
        if holds is True:
            return False
        if holds is UNKNOWN and excuse.unknown_excuses:
            unknown += unknown_facts(excuse.conditions, scope.resolve)
    return tuple(dict.fromkeys(unknown)) or True


def _written(
    facts: Facts, rule: Rule, outcome: _Outcome, settings: Mapping[str, Value]
) -> list[Finding]:
    scopes = [Scope(facts, match, settings) for match in outcome.fired.values()]
    findings = [write_finding(rule, scope) for scope in scopes]
    folded = fold(rule, facts, [s.match for s in scopes], findings)
    return [folded] if folded else findings
