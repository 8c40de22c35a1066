"""Operations by what they compute: two graphs are the same if their outputs have one name.

The name of an operation is a digest of its settings, of the shapes and, if asked for, the keys of
its weights, and of the names of what it reads. Where a layer is defined, when it is registered and
what it is called plays no part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bnlint.domain.graph import ModelGraph, Op, StateInfo

_SYMMETRIC = frozenset({"add", "mul", "maximum", "minimum"})
_RANDOM = frozenset({"dropout", "droppath"})


def label_of(op: Op, states: Mapping[str, StateInfo], *, keys: bool) -> str:
    """What an operation is by itself: kind, settings, and its states by key or by shape."""
    settings = sorted((name, repr(value)) for name, value in op.exact.items())
    if op.kind == "input":
        settings = [("input", "")]
    reads = [_state(states[key], keys) for key in op.reads if key in states]
    kind = op.kind if not op.exact.get("name") else ""
    return repr((kind, settings, reads))


def _state(state: StateInfo, keys: bool) -> tuple[object, ...]:
    shown = (state.key,) if keys and state.persistent else ()
    value = "" if state.persistent else state.value
    return (*shown, state.shape, state.trainable, value)


@dataclass(slots=True)
class Canonical:
    """The operations of a graph along the data flow, without those that do nothing.

    ``reads`` are the operations that each one reads, in the order of its arguments; ``order`` is
    one that depends on the flow alone, not on when the code computes what.
    """

    graph: ModelGraph
    ops: dict[str, Op] = field(default_factory=dict)
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    states: dict[str, StateInfo] = field(default_factory=dict)
    _labels: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: ModelGraph) -> Canonical:
        """The graph with its data flow indexed."""
        found = cls(graph, {op.id: op for op in graph.ops})
        found.states = {state.key: state for state in graph.states}
        wires: dict[str, list[tuple[int, str]]] = {op.id: [] for op in graph.ops}
        for edge in graph.edges:
            wires[edge.target].append((edge.slot, edge.source))
        plain = {name: tuple(s for _, s in sorted(read)) for name, read in wires.items()}
        skipped: dict[str, str] = {}
        for op in graph.ops:
            found.reads[op.id] = tuple(skipped.get(s, s) for s in plain[op.id])
            if _does_nothing(op) and len(found.reads[op.id]) == 1:
                skipped[op.id] = found.reads[op.id][0]
        found.order = [name for name in _flow_order(found.reads, graph) if name not in skipped]
        return found

    def label(self, op: Op) -> str:
        """What an operation is, whatever its states are called."""
        if op.id not in self._labels:
            self._labels[op.id] = label_of(op, self.states, keys=False)
        return self._labels[op.id]

    def names(self, *, keys: bool) -> dict[str, str]:
        """A digest of each operation and all before it, by id."""
        names: dict[str, str] = {}
        inputs = 0
        for name in self.order:
            op = self.ops[name]
            label = label_of(op, self.states, keys=keys)
            if op.kind == "input":
                label, inputs = f"{label} {inputs}", inputs + 1
            read = [names.get(s, "?") for s in self.reads[name]]
            if op.exact.get("name") in _SYMMETRIC and len(read) == 2 and _is_plain(op):
                read.sort()
            names[name] = hashlib.sha256(repr((label, read)).encode()).hexdigest()[:20]
        return names

    def random_order(self, names: Mapping[str, str]) -> list[str]:
        """The operations that draw random numbers, as the code runs them."""
        return [names[op.id] for op in self.graph.ops if op.id in names and _draws(op)]


def same_graph(old: Canonical, new: Canonical, *, keys: bool = True) -> bool:
    """Whether both compute the same from the same weights, as far as the graphs show."""
    if not (old.graph.trace.complete and new.graph.trace.complete):
        return False
    if old.graph.evaluation != new.graph.evaluation:
        return False
    if any("opaque" in op.tags or op.error for side in (old, new) for op in side.graph.ops):
        return False
    before, after = old.names(keys=keys), new.names(keys=keys)
    if sorted(before.values()) != sorted(after.values()):
        return False
    return old.random_order(before) == new.random_order(after)


def _is_plain(op: Op) -> bool:
    """True for two inputs without other arguments, as ``x + y``."""
    return set(op.exact) <= {"name", "1", "other"} and not op.reads


def _does_nothing(op: Op) -> bool:
    return op.kind == "identity" and not op.reads


def _draws(op: Op) -> bool:
    name = str(op.exact.get("name", ""))
    return bool(op.tags & _RANDOM) or name.startswith(
        ("rand", "bernoulli", "normal", "multinomial")
    )


def _flow_order(reads: Mapping[str, Sequence[str]], graph: ModelGraph) -> list[str]:
    """What is read before its readers, from the outputs upwards; then what nobody reads."""
    read = {source for sources in reads.values() for source in sources}
    ends = [op.id for op in graph.ops if op.kind == "output"]
    ends += [op.id for op in graph.ops if op.id not in read and op.kind != "output"]
    order: list[str] = []
    seen: set[str] = set()
    for op in graph.ops:  # inputs keep their order, read or not
        if op.kind == "input":
            seen.add(op.id)
            order.append(op.id)
    for end in ends:
        stack = [(end, False)]
        while stack:
            name, ready = stack.pop()
            if ready:
                order.append(name)
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack += [(s, False) for s in reversed(reads[name]) if s not in seen]
    return order
