"""The graph after an edit, compared with what the edit may change: nothing else may differ.

Ops are compared one by one in the order of execution, with what they read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bnlint.domain.graph import ModelGraph, Op, Subject, name_of
from bnlint.edits import Change, is_lone

_LOOSE = ("init-",)
"""Facts about random numbers: building another layer first changes them."""
_PLACES = frozenset(("called-from", "called-in-loops"))
"""Facts that are line numbers: an edit that adds or removes a line moves those below it."""
_OF_REBUILT = frozenset(
    ("calls", "call-index", "registered", "held", "trainable", "training", "on-in-evaluation")
)


@dataclass(frozen=True, slots=True)
class Touched:
    """A change and the layers of one graph that it applies to, by role."""

    change: Change
    layers: tuple[dict[str, Subject], ...]


@dataclass(slots=True)
class Expected:
    """The ops and their inputs as they should be after the edit, and where they may differ.

    ``exposed`` are ops whose result goes where that of a removed op went, ``inserted`` those that
    an edit adds.
    """

    order: list[Op]
    reads: dict[str, list[str]]
    free: dict[str, Change] = field(default_factory=dict)
    detours: dict[str, str] = field(default_factory=dict)
    exposed: set[str] = field(default_factory=set)
    inserted: set[str] = field(default_factory=set)
    renames: bool = False
    rebuilt: bool = False


def expected(graph: ModelGraph, touched: Iterable[Touched]) -> Expected:
    """What the graph should look like after the changes."""
    wanted = Expected(list(graph.ops), _reads(graph))
    for each in touched:
        wanted.renames |= each.change.renames
        wanted.rebuilt |= each.change.rebuilt
        for layers in each.layers:
            by_role = [_ops(graph, s, each.change) for s in layers.values()]
            _expect(wanted, each.change, by_role)
    return wanted


def _reads(graph: ModelGraph) -> dict[str, list[str]]:
    """The ops that every op reads, in the order of its arguments."""
    reads: dict[str, list[str]] = {op.id: [] for op in graph.ops}
    for edge in sorted(graph.edges, key=lambda e: e.slot):
        reads[edge.target].append(edge.source)
    return reads


def _ops(graph: ModelGraph, subject: Subject, change: Change) -> list[Op]:
    """The ops of a layer: all calls of a module and what it holds, the one op of a function.

    Only one call is swapped: an activation that is called at several places is one module.
    """
    if isinstance(subject, Op):
        if change.swapped:
            return [subject]
        same = (op for op in graph.ops if op.layer == op.module == subject.layer)
        return list(same) or [subject]
    inside = f"{subject.path}."
    return [op for op in graph.ops if op.module == subject.path or op.module.startswith(inside)]


def _expect(wanted: Expected, change: Change, by_role: list[list[Op]]) -> None:
    for op in (op for ops in by_role for op in ops):
        wanted.free[op.id] = change
        if "inplace" in change.facts and wanted.reads.get(op.id):
            wanted.detours[op.id] = wanted.reads[op.id][0]
        if change.removed:
            _remove(wanted, op)
        if change.inserted:
            _insert(wanted, op, change.inserted == "after")
    if change.swapped:
        for first, second in zip(*by_role, strict=True):
            _swap(wanted, first, second)


def _swap(wanted: Expected, first: Op, second: Op) -> None:
    """Exchanges two ops of a chain: each takes the other's place and inputs."""
    names = {first.id: second.id, second.id: first.id}
    order = wanted.order
    i, j = order.index(first), order.index(second)
    order[i], order[j] = order[j], order[i]
    old = dict(wanted.reads)
    wanted.reads.clear()
    for target, sources in old.items():
        wanted.reads[names.get(target, target)] = [names.get(s, s) for s in sources]


def _insert(wanted: Expected, op: Op, after: bool) -> None:
    """Adds an op between one and its first input, or between one and what reads it."""
    new = replace(op, id=f"{op.id}+", layer=f"what is new at {op.layer}", error=None)
    wanted.inserted.add(new.id)
    wanted.order.insert(wanted.order.index(op) + after, new)
    if after:
        for read in wanted.reads.values():
            read[:] = [new.id if source == op.id else source for source in read]
        wanted.reads[new.id] = [op.id]
    else:
        wanted.reads[new.id] = wanted.reads[op.id][:1]
        wanted.reads[op.id][:1] = [new.id]


def _remove(wanted: Expected, op: Op) -> None:
    """Removes an op: its readers read its input instead."""
    if op not in wanted.order:
        return
    wanted.order.remove(op)
    sources = wanted.reads.pop(op.id)
    wanted.exposed.update(sources[:1])
    for read in wanted.reads.values():
        if op.id in read:
            at = read.index(op.id)
            read[at : at + 1] = sources[:1]


def unlike(before: ModelGraph, after: ModelGraph, touched: Sequence[Touched]) -> str:
    """How ``after`` differs from what the edit should make of ``before``; empty if it does not."""
    if touched and is_lone(before):
        return ""
    wanted = expected(before, touched)
    if before.trace.complete and not after.trace.complete:
        return "the model can no longer be traced whole"
    if len(wanted.order) != len(after.ops):
        return f"the model has {len(after.ops)} operations where {len(wanted.order)} should be"
    number = {op.id: n for n, op in enumerate(after.ops)}
    meant = {op.id: n for n, op in enumerate(wanted.order)}
    reads = _reads(after)
    broken = any(op.error for op in before.ops)
    for old, new in zip(wanted.order, after.ops, strict=True):
        if said := _op_differs(wanted, old, new, broken, before, after):
            return said
        got, want = [number[s] for s in reads[new.id]], [meant[s] for s in wanted.reads[old.id]]
        around = [meant.get(wanted.detours.get(s, s), -1) for s in wanted.reads[old.id]]
        if got not in (want, around):
            return f"{new.layer} reads other layers than before"
    return _modules_differ(before, after, wanted, touched)


def _op_differs(
    wanted: Expected, old: Op, new: Op, broken: bool, before: ModelGraph, after: ModelGraph
) -> str:
    free = wanted.free.get(old.id)
    if new.error and new.error != old.error:
        return f"{new.layer} fails: {new.error}"
    if old.id in wanted.inserted:
        return ""
    if old.layer != new.layer and not wanted.renames:
        return f"`{new.layer}` takes the place of `{old.layer}`"
    if (old.kind, old.types) != (new.kind, new.types) and not (free and free.kind):
        return f"{new.layer} is another kind of layer than {old.layer} was"
    if name := _facts_differ(old, new, free, wanted):
        return f"{name} of {new.layer} has changed"
    free_shapes = broken or wanted.rebuilt
    if before.ref.inputs != after.ref.inputs:
        return "" if free_shapes else "the model is traced with another input"
    appears = free_shapes and not any(s is not None for s in old.outputs)
    if old.outputs != new.outputs and not appears:
        return f"`{new.layer}` outputs another shape"
    return ""


def _facts_differ(old: Op, new: Op, free: Change | None, wanted: Expected) -> str:
    recounted = wanted.rebuilt or (wanted.renames and old.layer != old.module)
    allowed = frozenset(("calls", "call-index")) if recounted else frozenset[str]()
    if old.id in wanted.exposed:
        allowed |= {"kept"}
    if (
        wanted.rebuilt and old.facts.get("held") == "list"
    ):  # what shares a list with a layer to register
        allowed |= _OF_REBUILT
    if free is not None:
        allowed |= free.facts | (_OF_REBUILT if free.rebuilt else frozenset())
        if free.kind:
            allowed |= {"class", "rank"}
    for name in sorted({*old.facts, *new.facts} - allowed - _PLACES):
        changed = old.facts.get(name, ...) != new.facts.get(name, ...)
        if changed and not name.startswith(_LOOSE):
            return name
    return ""


def _modules_differ(
    before: ModelGraph, after: ModelGraph, wanted: Expected, touched: Sequence[Touched]
) -> str:
    """How the registered modules differ; those that an edit rebuilds or removes may."""
    if any(t.change.rebuilt for t in touched):
        return ""
    removed = tuple(
        f"{name_of(subject)}."
        for each in touched
        if each.change.removed
        for layers in each.layers
        for subject in layers.values()
    )
    old = [m.path for m in before.modules if not f"{m.path}.".startswith(removed)]
    new = [m.path for m in after.modules]
    if old == new or (wanted.renames and len(old) == len(new)):
        return ""
    return "layers came or went"
