"""How data flows between calls: without parameters, through tuple elements and in-place writes.

A product whose two factors come from the same tensor by element-wise steps, one of which is an
activation, becomes one self-gated activation (``x * sigmoid(x)``, ``x * relu6(x + 3) / 6``),
together with those steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from bnlint.domain.graph import Edge, Op, Value
from bnlint.layers.calls import Call, Ref, name_of
from bnlint.layers.table import Table, having

_STEPS = having("within", "self-gate")
_LONGEST = 8
_OF_SHAPE = frozenset(
    {"size", "shape", "dim", "ndim", "numel", "len", "getattr", "dtype", "device"}
)
_DATA_SOURCES = frozenset(
    {"rand", "randn", "randint", "randn_like", "rand_like", "normal", "normal_"}
)


def data_sources(calls: Iterable[Call]) -> dict[str, str]:
    """The call that computed the data of each call's result: itself, unless it picks an element.

    Calls that read only parameters and constants are left out; layers and failures never are.
    """
    sources: dict[str, str] = {}
    for call in calls:
        read = [sources[r.id] for r in call.data() if r.id in sources]
        if call.error is not None:
            sources[call.id] = call.id
            continue
        if call.role == "number":
            continue
        if call.role == "pick":
            if read:
                sources[call.id] = read[0]
        elif read or _is_source(call):
            sources[call.id] = call.id
    return sources


def _is_source(call: Call) -> bool:
    if call.target == "input" or isinstance(call.target, nn.Module):
        return True
    return name_of(call.target) in _DATA_SOURCES


def point_to_written(calls: list[Call], sources: dict[str, str], outputs: list[Ref]) -> bool:
    """Let later readers of a constant read what wrote data into it; false if nothing did.

    ``one_hot = torch.zeros(n, 10)`` is no data before ``one_hot.scatter_(1, labels, 1)``.
    """
    newest: dict[str, str] = {}
    filled: set[str] = set()

    def pick(item: Any) -> Any:
        return Ref(newest[item.id]) if isinstance(item, Ref) and item.id in newest else item

    for call in calls:
        if any(ref.id in newest for ref in call.refs()):
            call.redirect(pick)
        written = call.args[0] if call.args else None
        fills = call.id in sources and _writes_in_place(call)
        if fills and isinstance(written, Ref) and written.id not in sources:
            newest[written.id] = call.id
            filled.add(call.id)
        elif call.role == "number" and any(ref.id in filled for ref in call.refs()):
            if name_of(call.target) in _OF_SHAPE:
                continue
            call.role = "op"  # before, it was computed from sizes alone
            filled.add(call.id)
    outputs[:] = [pick(r) for r in outputs]
    return bool(newest)


def point_to_inplace(kept: list[Call], sources: dict[str, str], outputs: list[Ref]) -> None:
    """Let later readers of a tensor read the in-place operation, if its result is not used."""
    read = {sources[r.id] for c in kept for r in c.refs() if r.id in sources}
    read |= {sources[r.id] for r in outputs if r.id in sources}
    newest: dict[str, str] = {}

    def pick(item: Any) -> Any:
        source = sources.get(item.id) if isinstance(item, Ref) else None
        return Ref(_latest(newest, source)) if source in newest else item

    for call in kept:
        if any(sources.get(r.id) in newest for r in call.refs()):
            call.redirect(pick)
        if call.id in read or not _writes_in_place(call):
            continue
        written = call.args[0] if call.args else next(iter(call.refs()), None)
        target = sources.get(written.id) if isinstance(written, Ref) else None
        if target is not None:
            newest[target] = call.id
    outputs[:] = [pick(r) for r in outputs]


def _latest(newest: dict[str, str], source: str) -> str:
    """The last in-place operation on a result, which is noted for the next question."""
    passed = []
    while source in newest:
        passed.append(source)
        source = newest[source]
    newest.update(dict.fromkeys(passed, source))
    return source


def _writes_in_place(call: Call) -> bool:
    if isinstance(call.target, nn.Module):
        return getattr(call.target, "inplace", False) is True
    name = name_of(call.target)
    if name in ("__setitem__", "setitem") or (name.endswith("_") and not name.endswith("__")):
        return True
    return call.kwargs.get("inplace") is True


@dataclass(frozen=True, slots=True)
class _Wiring:
    ops: dict[str, Op]
    sources: dict[str, list[str]]
    readers: dict[str, int]

    def chain(self, name: str) -> list[str]:
        """``name`` and the operations before it, up to one that is not element-wise and unary."""
        found = [name]
        while len(found) <= _LONGEST:
            last = found[-1]
            if not self.ops[last].tags & _STEPS or len(set(self.sources[last])) != 1:
                break
            found.append(self.sources[last][0])
        return found

    def exclusive(self, steps: list[str]) -> bool:
        """True if only the formula reads the steps."""
        return all(self.readers[s] == 1 for s in steps)


def collapse_self_gates(
    ops: list[Op], edges: list[Edge], table: Table
) -> tuple[list[Op], list[Edge]]:
    """The graph with every self-gated activation as one op."""
    products = [op for op in ops if "product" in op.tags]
    if not products:
        return ops, edges
    wiring = _wire(ops, edges)
    places = {op.id: place for place, op in enumerate(ops)}
    gone: set[str] = set()
    roots: dict[str, str] = {}
    formulas: dict[str, list[Op]] = {}
    for op in products:
        found = _self_gate(op, wiring)
        if found is not None:
            roots[op.id], steps = found
            members = sorted({*steps, op.id}, key=places.__getitem__)
            formulas[op.id] = [wiring.ops[name] for name in members]
            gone.update(steps)
    if not roots:
        return ops, edges
    kind = table.kind("self-gated")
    plain = {"saturating": False, "inplace": False}

    def collapsed(op: Op) -> Op:
        if op.id not in roots:
            return op
        steps = formulas[op.id]
        return replace(
            op,
            kind=kind.name,
            tags=kind.tags,
            facts={**op.facts, **plain},
            exact={"name": "self-gated", "formula": tuple(map(_formula, steps))},
            reads=tuple(dict.fromkeys(key for step in steps for key in step.reads)),
        )

    kept = [collapsed(op) for op in ops if op.id not in gone]
    cut = gone | roots.keys()
    rest = [e for e in edges if e.source not in gone and e.target not in cut]
    return kept, rest + [Edge(source, target, 0) for target, source in roots.items()]


def _formula(op: Op) -> Value:
    """What a step of a formula computes."""
    return tuple((name, value) for name, value in sorted(op.exact.items()))


def _self_gate(op: Op, wiring: _Wiring) -> tuple[str, set[str]] | None:
    """The tensor that both factors come from, and the steps between; None for other products."""
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
