"""On random small graphs the matcher and the searches equal a naive enumeration of all paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from bnlint.domain.graph import ModelGraph
from bnlint.domain.rule import Capture, Tags
from bnlint.engine.check import find_matches
from bnlint.graph.view import View, fits
from tests.unit.engine.rule_texts import rule_of
from tests.unit.graphs import Builder

KINDS = ("conv2d", "batchnorm2d", "layernorm", "relu", "identity")
WORDS = ("kernel", "norm", "batchnorm", "activation", "passthrough")

Path = tuple[int, ...]

words = st.lists(st.sampled_from(WORDS), max_size=2, unique=True).map(tuple)
gap_tags = st.builds(Tags, any_of=words, none_of=words) | st.builds(Tags, none_of=words)
some = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True).map(tuple)
capture_tags = st.builds(Tags, any_of=some, none_of=words) | st.builds(Tags, none_of=words)
gaps = st.none() | gap_tags
profile = settings(derandomize=True, deadline=None, database=None, max_examples=300)


@st.composite
def graphs(draw: st.DrawFn) -> ModelGraph:
    """Ops that read any ops before them: some nothing, some the same result twice."""
    net = Builder()
    for n in range(draw(st.integers(1, 7))):
        before = st.lists(st.sampled_from([op.id for op in net.ops]), min_size=n > 3, max_size=3)
        reads = tuple(draw(before)) if n else ()
        net.add(draw(st.sampled_from(KINDS)), f"op{n}", reads=reads)
    return net.build()


@st.composite
def patterns(draw: st.DrawFn) -> tuple[Capture, ...]:
    count = draw(st.integers(1, 4))
    return tuple(
        Capture(f"c{n}", draw(capture_tags), draw(gaps) if n else None) for n in range(count)
    )


def all_paths(graph: ModelGraph) -> Iterator[Path]:
    """Every path along edges, of every length, by its positions."""
    position = {op.id: n for n, op in enumerate(graph.ops)}
    edges = {(position[e.source], position[e.target]) for e in graph.edges}
    todo: list[Path] = [(n,) for n in range(len(graph.ops))]
    while todo:
        path = todo.pop()
        yield path
        todo += [(*path, after) for source, after in edges if source == path[-1]]


def captured(graph: ModelGraph, path: Path, captures: tuple[Capture, ...]) -> Iterator[Path]:
    """Every way to spread the captures over the path, first and last at its ends."""
    if (len(captures) == 1) != (len(path) == 1):
        return
    for middle in combinations(range(1, len(path) - 1), max(len(captures) - 2, 0)):
        places = (0, *middle, len(path) - 1)[: len(captures)]
        tags = [graph.ops[path[p]].tags for p in places]
        if not all(fits(t, c.tags) for t, c in zip(tags, captures, strict=True)):
            continue
        spans = zip(places, places[1:], captures[1:], strict=False)
        if all(gap_fits(graph, path[a + 1 : b], capture.gap) for a, b, capture in spans):
            yield tuple(path[p] for p in places)


def gap_fits(graph: ModelGraph, between: Path, gap: Tags | None) -> bool:
    return not between if gap is None else all(fits(graph.ops[n].tags, gap) for n in between)


@profile
@given(graphs(), patterns())
def test_matches_are_those_of_all_paths(graph, captures):
    rule = replace(rule_of(), match=captures)
    position = {op.id: n for n, op in enumerate(graph.ops)}
    found = [
        tuple(position[match[c.name].id] for c in captures)
        for _, match in find_matches(View(graph), rule)
    ]
    naive = {way for path in all_paths(graph) for way in captured(graph, path, captures)}
    assert found == sorted(naive)


@profile
@given(graphs(), gap_tags, st.booleans())
def test_what_is_met_is_what_some_path_leads_to(graph, gap, back):
    view = View(graph)
    ends: dict[int, set[int]] = {n: set() for n in range(len(graph.ops))}
    for path in all_paths(graph):
        if len(path) > 1 and gap_fits(graph, path[1:-1], gap):
            start, end = (path[-1], path[0]) if back else (path[0], path[-1])
            ends[start].add(end)
    for start, met in ends.items():
        op = graph.ops[start]
        assert [view.order(o) for o in view.reach(op, gap, back=back)] == sorted(met)
        outside = [n for n in sorted(met) if not fits(graph.ops[n].tags, gap)]
        assert [view.order(o) for o in view.beyond(op, gap, back=back)] == outside
