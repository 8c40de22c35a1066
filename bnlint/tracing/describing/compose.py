"""Activations that are written out: ``x * sigmoid(x)``, ``x * relu6(x + 3) / 6``, and their kin.

A product whose two factors lead back to one tensor through element-wise steps, one of them an
activation, is one self-gated activation; the steps in between disappear into it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bnlint.domain.graph import Edge, Op
from bnlint.layers.table import Table, having

_STEPS = having("within", "self-gate")
_LONGEST = 8


@dataclass(frozen=True, slots=True)
class _Wiring:
    ops: dict[str, Op]
    sources: dict[str, list[str]]
    readers: dict[str, int]

    def chain(self, name: str) -> list[str]:
        """``name`` and the ops before it, while each is an element-wise step with one source."""
        found = [name]
        while len(found) <= _LONGEST:
            last = found[-1]
            if not self.ops[last].tags & _STEPS or len(set(self.sources[last])) != 1:
                break
            found.append(self.sources[last][0])
        return found

    def exclusive(self, steps: list[str]) -> bool:
        """True when nobody outside the formula reads the steps."""
        return all(self.readers[s] == 1 for s in steps)


def collapse_self_gates(
    ops: list[Op], edges: list[Edge], table: Table
) -> tuple[list[Op], list[Edge]]:
    """The graph with every self-gated activation as one op."""
    products = [op for op in ops if "product" in op.tags]
    if not products:
        return ops, edges
    wiring = _wire(ops, edges)
    gone: set[str] = set()
    roots: dict[str, str] = {}
    for op in products:
        found = _self_gate(op, wiring)
        if found is not None:
            roots[op.id], steps = found
            gone.update(steps)
    if not roots:
        return ops, edges
    kind = table.kind("self-gated")
    plain = {"saturating": False, "inplace": False}

    def collapsed(op: Op) -> Op:
        if op.id not in roots:
            return op
        return replace(op, kind=kind.name, tags=kind.tags, facts={**op.facts, **plain})

    kept = [collapsed(op) for op in ops if op.id not in gone]
    cut = gone | roots.keys()
    rest = [e for e in edges if e.source not in gone and e.target not in cut]
    return kept, rest + [Edge(source, target, 0) for target, source in roots.items()]


def _self_gate(op: Op, wiring: _Wiring) -> tuple[str, set[str]] | None:
    """The tensor that both factors come from, and the steps between; None for a true product."""
    factors = wiring.sources[op.id]
    if len(factors) != 2 or factors[0] == factors[1]:
        return None
    left, right = wiring.chain(factors[0]), wiring.chain(factors[1])
    for depth, name in enumerate(left):
        if name not in right:
            continue
        steps = left[:depth] + right[: right.index(name)]
        bends = any("activation" in wiring.ops[s].tags or _bends(wiring.ops[s]) for s in steps)
        return (name, set(steps)) if bends and wiring.exclusive(steps) else None
    return None


def _bends(op: Op) -> bool:
    return op.facts.get("class") in ("erf", "exp", "clamp", "rsqrt")


def _wire(ops: list[Op], edges: list[Edge]) -> _Wiring:
    sources: dict[str, list[str]] = {op.id: [] for op in ops}
    readers: dict[str, int] = dict.fromkeys(sources, 0)
    for edge in edges:
        sources[edge.target].append(edge.source)
        readers[edge.source] += 1
    return _Wiring({op.id: op for op in ops}, sources, readers)
