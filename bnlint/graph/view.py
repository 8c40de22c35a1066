"""An indexed view of a model graph: neighbors, tags and gap search, each in linear time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, cast

from bnlint.domain.graph import ModelGraph, ModuleInfo, Op
from bnlint.domain.rule import Tags
from bnlint.layers.table import having

if TYPE_CHECKING:
    import networkx

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Neighbors = Sequence[Sequence[int]]

KERNEL = Tags(any_of=("kernel",))
SKIPPED = Tags(any_of=("passthrough",))
"""What "directly before" and "directly after" look through."""


def through(place: str, *, none_of: tuple[str, ...] = ()) -> Tags:
    """The gap of all operations that the table lets lie within ``place``."""
    return Tags(any_of=tuple(sorted(having("within", place))), none_of=none_of)


def fits(tags: frozenset[str], wanted: Tags) -> bool:
    """True when ``tags`` has one of ``any_of`` (or none is asked for) and none of ``none_of``."""
    if wanted.any_of and tags.isdisjoint(wanted.any_of):
        return False
    return tags.isdisjoint(wanted.none_of)


def layer_key(op: Op) -> str:
    """What makes calls one layer: the module's path; a function's every call is for itself."""
    return op.layer if op.layer == op.module else op.id


@lru_cache(maxsize=1 << 16)
def upwards(path: str) -> tuple[str, ...]:
    """The path and those of all holders, without the model itself."""
    parts = path.split(".")
    return tuple(".".join(parts[:n]) for n in range(1, len(parts) + 1))


class Search:
    """Searches through one kind of gap in one direction; remembers what each start met.

    ``beside`` holds the neighbors of each position, ``set_of`` the number of its set of tags, and
    ``mask`` which of these sets may lie in the gap. ``steps`` counts the ops visited.
    """

    def __init__(self, beside: Neighbors, set_of: Sequence[int], mask: Sequence[bool]) -> None:
        self.steps = 0
        self._beside = beside
        self._set_of = set_of
        self._mask = mask
        self._known: dict[int, Sequence[int]] = {}

    def met(self, start: int) -> Sequence[int]:
        """Every position met from ``start`` through the gap, walked ones too, in order."""
        near = self._beside[start]
        if not near or (len(near) == 1 and not self._mask[self._set_of[near[0]]]):
            self.steps += len(near)
            return near
        if start not in self._known:
            self._known[start] = sorted(self._walk(start))
        return self._known[start]

    def beyond(self, start: int) -> list[int]:
        """The positions met that do not belong to the gap themselves."""
        return [n for n in self.met(start) if not self._mask[self._set_of[n]]]

    def _walk(self, start: int) -> set[int]:
        seen: set[int] = set()
        todo = [start]
        while todo:
            for other in self._beside[todo.pop()]:
                if other not in seen:
                    seen.add(other)
                    if self._mask[self._set_of[other]]:
                        todo.append(other)
        self.steps += len(seen)
        return seen


class View:
    """A :class:`ModelGraph` with indexes.

    Inside, an op is its position in the order of execution and its tags are the number of one of
    the few sets of tags that occur: searches run over small lists, however long the ids are.
    ``ahead`` holds the positions of the readers of the op at each position, ``behind`` those of the
    ops that it reads, by argument slot.
    """

    def __init__(self, graph: ModelGraph) -> None:
        self.graph = graph
        self.ops = graph.ops
        self._visited = 0
        self._position = {op.id: n for n, op in enumerate(graph.ops)}
        self.ahead: list[list[int]] = [[] for _ in graph.ops]
        self.behind: list[list[int]] = [[] for _ in graph.ops]
        for edge in sorted(graph.edges, key=lambda edge: edge.slot):
            source, target = self._position[edge.source], self._position[edge.target]
            self.ahead[source].append(target)
            self.behind[target].append(source)
        self._successors = self._by_id(self.ahead)
        self._predecessors = self._by_id(self.behind)
        numbers: dict[frozenset[str], int] = {}
        self.set_of = [numbers.setdefault(op.tags, len(numbers)) for op in graph.ops]
        self._sets = tuple(numbers)
        self._searches: dict[tuple[Tags | None, bool], Search] = {}
        self._fitting: dict[Tags, Sequence[int]] = {}
        self._once: dict[object, object] = {}
        self._modules = {info.path: info for info in graph.modules}

    def _by_id(self, beside: Neighbors) -> dict[str, tuple[Op, ...]]:
        """The neighbors of every op: facts ask for them all the time."""
        return {
            op.id: tuple([self.ops[n] for n in near])
            for op, near in zip(self.ops, beside, strict=True)
        }

    @property
    def steps(self) -> int:
        """How many ops all searches have visited so far."""
        return self._visited + sum(search.steps for search in self._searches.values())

    def visited(self, count: int = 1) -> None:
        """Counts ops that a fact visited by a search of its own."""
        self._visited += count

    def op(self, id: str) -> Op:
        """The op of that id."""
        return self.ops[self._position[id]]

    def order(self, op: Op) -> int:
        """The place of ``op`` in the order of execution, from 0."""
        return self._position[op.id]

    def module(self, path: str) -> ModuleInfo | None:
        """The registered module at ``path``, if the graph describes it."""
        return self._modules.get(path)

    def successors(self, op: Op) -> tuple[Op, ...]:
        """The ops that read the result of ``op``; one that reads it twice occurs twice."""
        return self._successors[op.id]

    def predecessors(self, op: Op) -> tuple[Op, ...]:
        """The ops whose results ``op`` reads, by argument slot."""
        return self._predecessors[op.id]

    def marks(self, wanted: Tags) -> list[bool]:
        """Whether each op fits, by its position."""
        mask = self.mask(wanted)
        return [mask[number] for number in self.set_of]

    def fitting(self, wanted: Tags) -> tuple[Op, ...]:
        """The ops that fit ``wanted``, in the order of execution."""
        return tuple(self.ops[n] for n in self.positions(wanted))

    def positions(self, wanted: Tags) -> Sequence[int]:
        """The positions of the ops that fit ``wanted``, in the order of execution."""
        if wanted not in self._fitting:
            mask = self.mask(wanted)
            self._fitting[wanted] = [n for n, number in enumerate(self.set_of) if mask[number]]
        return self._fitting[wanted]

    def mask(self, wanted: Tags) -> tuple[bool, ...]:
        """Whether each of the sets of tags fits, by its number."""
        return tuple(fits(tags, wanted) for tags in self._sets)

    def search(self, gap: Tags | None, *, back: bool = False) -> Search:
        """Searches through ``gap``, or (None) to the neighbors only; remembered."""
        key = (gap, back)
        if key not in self._searches:
            beside = self.behind if back else self.ahead
            mask = (False,) * len(self._sets) if gap is None else self.mask(gap)
            self._searches[key] = Search(beside, self.set_of, mask)
        return self._searches[key]

    def reach(self, op: Op, gap: Tags, *, back: bool = False) -> tuple[Op, ...]:
        """Every op met from ``op`` when zero or more ops that fit ``gap`` are walked through.

        The walked ops themselves are met too. In the order of execution.
        """
        met = self.search(gap, back=back).met(self._position[op.id])
        return tuple(self.ops[n] for n in met)

    def beyond(self, op: Op, gap: Tags = SKIPPED, *, back: bool = False) -> tuple[Op, ...]:
        """The first ops that do not fit ``gap``, ahead of ``op`` or behind it."""
        met = self.search(gap, back=back).beyond(self._position[op.id])
        return tuple(self.ops[n] for n in met)

    def forward(self, after: Callable[[Op, list[T]], T]) -> list[T]:
        """What ``after`` makes of each op and of what it made of the ops it reads, by position."""
        known: list[T] = []
        for op, before in zip(self.ops, self.behind, strict=True):
            known.append(after(op, [known[n] for n in before]))
        return known

    def arriving(self, op: Op, after: Callable[[Op, list[T]], T]) -> T | None:
        """What ``after`` makes of the op that ``op`` reads first; None where it reads none."""
        before = self.behind[self._position[op.id]]
        return self.once(View.forward, after)[before[0]] if before else None

    def once(self, compute: Callable[[View, *Ts], T], *arguments: *Ts) -> T:
        """What ``compute`` returns for this view, computed at the first request."""
        key = (compute, arguments) if arguments else compute
        if key not in self._once:
            self._once[key] = compute(self, *arguments)
        return cast(T, self._once[key])

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
