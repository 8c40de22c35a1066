"""Where a rule's path stands in a graph: set searches over gaps, never an enumeration of paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from bnlint.domain.graph import ModuleInfo, Op
from bnlint.domain.rule import Capture, Rule
from bnlint.graph.view import View, fits

Subject: TypeAlias = Op | ModuleInfo
Match: TypeAlias = Mapping[str, Subject]


def find_matches(view: View, rule: Rule) -> Iterator[Match]:
    """Every way to bind the rule's captures, in the order of execution of the first."""
    if rule.over == "modules":
        capture = rule.match[0]
        for info in view.graph.modules:
            if fits(info.tags, capture.tags):
                yield {capture.name: info}
        return
    first, *rest = rule.match
    for op in view.fitting(first.tags):
        yield from _extend(view, {first.name: op}, op, rest)


def _extend(
    view: View, bound: dict[str, Subject], last: Op, rest: list[Capture]
) -> Iterator[Match]:
    if not rest:
        yield bound
        return
    capture = rest[0]
    for op in _candidates(view, last, capture):
        if fits(op.tags, capture.tags):
            yield from _extend(view, {**bound, capture.name: op}, op, rest[1:])


def _candidates(view: View, last: Op, capture: Capture) -> tuple[Op, ...]:
    if capture.gap is not None:
        return view.reach(last, capture.gap)
    return tuple({op.id: op for op in view.successors(last)}.values())
