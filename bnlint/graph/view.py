"""An indexed view of a model graph: neighbours, tags and gap search, each in linear time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, cast

from bnlint.domain.graph import ModelGraph, ModuleInfo, Op
from bnlint.domain.rule import Tags

if TYPE_CHECKING:
    import networkx

T = TypeVar("T")

SKIPPED = Tags(any_of=("passthrough",))
"""What "directly before" and "directly after" look through."""


def fits(tags: frozenset[str], wanted: Tags) -> bool:
    """True when ``tags`` has one of ``any_of`` (or none is asked for) and none of ``none_of``."""
    if wanted.any_of and tags.isdisjoint(wanted.any_of):
        return False
    return tags.isdisjoint(wanted.none_of)


def layer_key(op: Op) -> str:
    """What makes calls one layer: the module's path; a function's every call is for itself."""
    return op.layer if op.layer == op.module else op.id


class View:
    """A :class:`ModelGraph` with indexes; ``steps`` counts the ops that searches have visited."""

    def __init__(self, graph: ModelGraph) -> None:
        self.graph = graph
        self.ops = graph.ops
        self.steps = 0
        self._op = {op.id: op for op in graph.ops}
        self._order = {op.id: n for n, op in enumerate(graph.ops)}
        self._after: dict[str, list[Op]] = defaultdict(list)
        self._before: dict[str, list[Op]] = defaultdict(list)
        for edge in sorted(graph.edges, key=lambda e: e.slot):
            self._after[edge.source].append(self._op[edge.target])
            self._before[edge.target].append(self._op[edge.source])
        self._by_tag: dict[str, list[Op]] = defaultdict(list)
        for op in graph.ops:
            for tag in op.tags:
                self._by_tag[tag].append(op)
        self._reach: dict[tuple[str, Tags, bool], tuple[Op, ...]] = {}
        self._once: dict[object, object] = {}
        self._modules = {info.path: info for info in graph.modules}

    def op(self, id: str) -> Op:
        """The op of that id."""
        return self._op[id]

    def order(self, op: Op) -> int:
        """The place of ``op`` in the order of execution, from 0."""
        return self._order[op.id]

    def module(self, path: str) -> ModuleInfo | None:
        """The registered module at ``path``, if the graph describes it."""
        return self._modules.get(path)

    def successors(self, op: Op) -> tuple[Op, ...]:
        """The ops that read the result of ``op``; one that reads it twice stands here twice."""
        return tuple(self._after.get(op.id, ()))

    def predecessors(self, op: Op) -> tuple[Op, ...]:
        """The ops whose results ``op`` reads, by argument slot."""
        return tuple(self._before.get(op.id, ()))

    def fitting(self, wanted: Tags) -> tuple[Op, ...]:
        """The ops that fit ``wanted``, in the order of execution."""
        if not wanted.any_of:
            return tuple(op for op in self.ops if fits(op.tags, wanted))
        if len(wanted.any_of) == 1:
            found: Iterable[Op] = self._by_tag.get(wanted.any_of[0], ())
        else:
            ids = {op.id for tag in wanted.any_of for op in self._by_tag.get(tag, ())}
            found = (self._op[id] for id in sorted(ids, key=self._order.__getitem__))
        return tuple(op for op in found if fits(op.tags, wanted))

    def reach(self, op: Op, gap: Tags, *, back: bool = False) -> tuple[Op, ...]:
        """Every op met from ``op`` when zero or more ops that fit ``gap`` are walked through.

        A set search: each op is visited once, however many paths lead to it. The walked ops
        themselves are met too. In the order of execution; remembered.
        """
        key = (op.id, gap, back)
        if key not in self._reach:
            met = self._search(op, gap, self._before if back else self._after)
            self._reach[key] = tuple(sorted(met, key=self.order))
        return self._reach[key]

    def _search(self, op: Op, gap: Tags, beside: dict[str, list[Op]]) -> list[Op]:
        seen: dict[str, Op] = {}
        todo = [op]
        while todo:
            for other in beside.get(todo.pop().id, ()):
                if other.id in seen:
                    continue
                seen[other.id] = other
                self.steps += 1
                if fits(other.tags, gap):
                    todo.append(other)
        return list(seen.values())

    def beyond(self, op: Op, gap: Tags = SKIPPED, *, back: bool = False) -> tuple[Op, ...]:
        """The first ops that do not fit ``gap``, ahead of ``op`` or behind it."""
        return tuple(o for o in self.reach(op, gap, back=back) if not fits(o.tags, gap))

    def once(self, compute: Callable[[View], T]) -> T:
        """What ``compute`` returns for this view; computed at the first request."""
        if compute not in self._once:
            self._once[compute] = compute(self)
        return cast(T, self._once[compute])

    def networkx(self) -> networkx.MultiDiGraph:
        """The graph for networkx: nodes are op ids, their fields are node attributes."""
        import networkx

        drawn = networkx.MultiDiGraph(name=self.graph.ref.name)
        for op in self.ops:
            drawn.add_node(
                op.id, kind=op.kind, tags=sorted(op.tags), layer=op.layer, module=op.module,
                types=list(op.types), facts=dict(op.facts), inputs=list(op.inputs),
                outputs=list(op.outputs),
            )  # fmt: skip
        for edge in self.graph.edges:
            drawn.add_edge(edge.source, edge.target, slot=edge.slot)
        return drawn
