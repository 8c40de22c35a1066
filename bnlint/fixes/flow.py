"""Which layer an op's data comes from, and where it goes."""

from __future__ import annotations

from bnlint.domain.graph import ModelGraph, Op
from bnlint.fixes.plan import Refused

_HOLDS_MEAN = frozenset(("batchnorm", "instancenorm"))


def norms_behind(graph: ModelGraph, kernel: Op) -> list[Op]:
    """The norms that a kernel's result reaches with no other kernel between."""
    ops, after = {op.id: op for op in graph.ops}, _readers(graph)
    todo, seen = [kernel.id], {kernel.id}
    found: list[Op] = []
    while todo:
        for id_ in after.get(todo.pop(), ()):
            op = ops[id_]
            if op.tags & _HOLDS_MEAN:
                found.append(op)
            elif id_ not in seen and "kernel" not in op.tags:
                seen.add(id_)
                todo.append(id_)
    return found


def norm_before(graph: ModelGraph, op: Op) -> Op | None:
    """The norm that an op reads, looking through what passes its input on."""
    ops = {o.id: o for o in graph.ops}
    before = {edge.target: edge.source for edge in graph.edges if edge.slot == 0}
    here = before.get(op.id)
    while here is not None and "passthrough" in ops[here].tags:
        here = before.get(here)
    return ops[here] if here is not None and "norm" in ops[here].tags else None


def steps_between(graph: ModelGraph, first: Op, second: Op) -> int:
    """How many ops back from ``second`` the op ``first`` stands."""
    before = {edge.target: edge.source for edge in graph.edges if edge.slot == 0}
    here, steps = second.id, 0
    while here != first.id:
        if here not in before:
            raise Refused(f"{first.layer} does not stand before {second.layer} in one line")
        here, steps = before[here], steps + 1
    return steps


def _readers(graph: ModelGraph) -> dict[str, list[str]]:
    after: dict[str, list[str]] = {}
    for edge in graph.edges:
        after.setdefault(edge.source, []).append(edge.target)
    return after
