"""Where a rule's path stands in a graph: set searches over gaps, never an enumeration of paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from bnlint.domain.graph import ModuleInfo, Op
from bnlint.domain.rule import Capture, Rule
from bnlint.graph.view import View, fits

Subject: TypeAlias = Op | ModuleInfo
Match: TypeAlias = Mapping[str, Subject]


Found: TypeAlias = tuple[int, Match]
"""Where the first capture of a match stands in the order of execution, and the match."""


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
