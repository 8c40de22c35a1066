"""Rules applied to one graph: findings, and what could not be decided."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from bnlint.domain.finding import Finding, Undecided
from bnlint.domain.graph import ModelGraph, Value
from bnlint.domain.rule import Capture, Rule
from bnlint.engine.conditions import Match, Scope, decide_all, unknown_facts
from bnlint.engine.wording import fold, place_key, severity_of, write_finding
from bnlint.graph.facts import INITIAL_PREFIX, UNKNOWN, Facts
from bnlint.graph.view import View, fits

Found: TypeAlias = tuple[int, Match]
"""The position of the first capture of a match in the order of execution, and the match."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings about one model, in rule and execution order, and the undecided matches."""

    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]


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


@_no_collection()
def check_graph(
    graph: ModelGraph, rules: Iterable[Rule], settings: Mapping[str, Value] | None = None
) -> Checked:
    """What ``rules`` say about ``graph``; one finding for each rule and reported layer."""
    facts = Facts(View(graph))
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    walks = _walks(facts, [form for rule in rules for form in rule.alone()], settings or {})
    fired = {(walk.rule.id, key) for walk in walks for key in walk.fired}
    for walk in walks:
        walk.give_way(fired)
    _keep_heaviest(walks)
    for walk in walks:
        findings += walk.written()
        open_ = {k: r for k, r in walk.undecided.items() if k not in walk.fired}
        if open_:
            reasons = dict.fromkeys(reason for each in open_.values() for reason in each)
            undecided.append(Undecided(walk.rule.id, len(open_), tuple(reasons)))
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


_STRETCH = 128
"""Operations that all rules look at before they go on."""


def _walks(facts: Facts, rules: Sequence[Rule], settings: Mapping[str, Value]) -> list[_Walk]:
    """The finished walk of every rule; all walk together, a stretch of the graph at a time.

    A rule by itself would walk all of it before the next begins, and a large graph does not fit
    into the processor's cache.
    """
    walks = [_Walk(rule, facts, settings, find_matches(facts.view, rule)) for rule in rules]
    size = max(len(facts.view.ops), len(facts.view.graph.modules))
    for start in range(0, size, _STRETCH):
        for walk in walks:
            walk.go(start + _STRETCH)
    return walks


@dataclass(slots=True)
class _Walk:
    """One rule on its way through the graph: matches that fire or are undecided, by place."""

    rule: Rule
    facts: Facts
    settings: Mapping[str, Value]
    matches: Iterator[Found]
    ahead: Found | None = None
    fired: dict[str, Scope] = field(default_factory=dict)
    undecided: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def go(self, end: int) -> None:
        """Judge the matches that begin before ``end``."""
        found = self.ahead or next(self.matches, None)
        while found is not None and found[0] < end:
            scope = Scope(self.facts, found[1], self.settings)
            verdict = _judge(self.rule, scope)
            key = place_key(found[1][self.rule.report.at]) if verdict else ""
            if verdict is True:
                self.fired.setdefault(key, scope)
            elif verdict:
                self.undecided.setdefault(key, verdict)
            found = next(self.matches, None)
        self.ahead = found

    def give_way(self, fired: Set[tuple[str, str]]) -> None:
        """Leave out what rules that say more have ``fired`` at, by their ids and the places."""
        others = self.rule.gives_way
        if others:
            told = {key for key in self.fired if any((id, key) in fired for id in others)}
            self.fired = {key: scope for key, scope in self.fired.items() if key not in told}

    def written(self) -> list[Finding]:
        """The findings, or the one about a convention."""
        findings = [write_finding(self.rule, scope) for scope in self.fired.values()]
        matches = [scope.match for scope in self.fired.values()]
        folded = fold(self.rule, self.facts, matches, findings)
        return [folded] if folded else findings


def _keep_heaviest(walks: Sequence[_Walk]) -> None:
    """Let only one form of a rule report a layer: the heaviest, the last of several."""
    heaviest: dict[tuple[str, str], tuple[int, _Walk]] = {}
    for walk in walks:
        for key, scope in walk.fired.items():
            rank = severity_of(walk.rule, scope).rank
            known = heaviest.get((walk.rule.id, key))
            if known is None or rank <= known[0]:
                heaviest[walk.rule.id, key] = rank, walk
    for walk in walks:
        mine = ((key, scope) for key, scope in walk.fired.items())
        walk.fired = {k: scope for k, scope in mine if heaviest[walk.rule.id, k][1] is walk}


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
