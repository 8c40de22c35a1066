"""Layers and operations that were added, removed, moved, or have another setting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bnlint.comparing.alignment import Alignment
from bnlint.comparing.canonical import Canonical
from bnlint.domain.graph import Location, Op, StateInfo, Value
from bnlint.domain.model_comparison import GraphAnswer, LayerChange
from bnlint.domain.request import KeyMap
from bnlint.domain.settings_of_ops import DEFAULTS

_ENDS = frozenset({"input", "output"})
_HIDDEN = frozenset({"formula"})


def graph_changes(
    old: Canonical, new: Canonical, aligned: Alignment, renames: KeyMap = ()
) -> GraphAnswer:
    """How the new graph differs from the old one, each change with its line in the new file."""
    kept = (*aligned.pairs, *aligned.moved)
    names = dict(renames)
    changed = [c for pair in kept for c in _settings(*pair, old, new)]
    changed += [c for pair in aligned.pairs for c in _other_weights(*pair, names)]
    changed += list(_rewired(old, new, aligned))
    changed += [
        replace(_change(b), setting="kind", old=_kind(a), new=_kind(b))
        for a, b in aligned.replaced
        if _kind(a) != _kind(b)
    ]
    moved = [
        _change(second, f"was {_neighbours(old, first)}, is {_neighbours(new, second)}")
        for first, second in aligned.moved
    ]
    return GraphAnswer(
        _grouped(_change(op, _neighbours(new, op)) for op in aligned.added if _shown(op)),
        _grouped(_change(op, _neighbours(old, op)) for op in aligned.removed if _shown(op)),
        _grouped(moved),
        _grouped(changed),
        old.graph.trace.complete and new.graph.trace.complete,
    )


def signs_of(
    old: Canonical, new: Canonical, aligned: Alignment
) -> tuple[dict[str, str], dict[str, str]]:
    """The sign of each operation that changed, by its id, of both sides."""
    before = {op.id: "-" for op in aligned.removed if _shown(op)}
    after = {op.id: "+" for op in aligned.added if _shown(op)}
    changed = [pair for pair in aligned.pairs if any(_settings(*pair, old, new))]
    rewired = {c.layer for c in _rewired(old, new, aligned)}
    changed += [pair for pair in aligned.pairs if pair[1].layer in rewired]
    for sign, pairs in (("~", [*changed, *aligned.replaced]), (">", aligned.moved)):
        before |= {a.id: sign for a, _ in pairs}
        after |= {b.id: sign for _, b in pairs}
    return before, after


def _shown(op: Op) -> bool:
    return op.kind not in _ENDS


def _change(op: Op, detail: str = "") -> LayerChange:
    return LayerChange(op.layer, _kind(op), op.location, detail=detail)


def _kind(op: Op) -> str:
    """The kind, or the name of a function that the table of layers does not know."""
    if op.kind != "other":
        return op.kind
    return op.types[0].rpartition(".")[2] if op.types else op.kind


def _neighbours(side: Canonical, op: Op) -> str:
    before = next((side.ops[s] for s in side.reads[op.id] if s in side.ops), None)
    return f"after `{before.layer}`" if before is not None else ""


def _settings(old: Op, new: Op, before: Canonical, after: Canonical) -> Iterator[LayerChange]:
    """One change for each setting that differs, and for what is true of the weights."""
    if old.kind == "input":
        return
    if old.kind == "output":
        if old.exact != new.exact and len(_returns(old)) != len(_returns(new)):
            yield replace(
                _change(new), setting="outputs", old=len(_returns(old)), new=len(_returns(new))
            )
        return
    names = [n for n in {**old.exact, **new.exact} if old.exact.get(n) != new.exact.get(n)]
    for name in names:
        shown = _setting(name)
        if name in _HIDDEN or shown == "code":
            yield replace(_change(new), setting="forward" if shown == "code" else name)
        else:
            known, value = (o.exact.get(name, DEFAULTS.get(name)) for o in (old, new))
            yield replace(_change(new), setting=shown, old=known, new=value)
    yield from _of_states(old, new, before.states, after.states)


def _setting(name: str) -> str:
    if name == "name":
        return "code"
    return f"argument {name}" if name.isdigit() else name


def _returns(op: Op) -> tuple[Value, ...]:
    found = op.exact.get("returns", ())
    return found if isinstance(found, tuple) else (found,)


def _of_states(
    old: Op, new: Op, before: Mapping[str, StateInfo], after: Mapping[str, StateInfo]
) -> Iterator[LayerChange]:
    """Weights that are trained or not, and buffers outside of a checkpoint with other numbers."""
    first = [before[k] for k in old.reads if k in before]
    second = [after[k] for k in new.reads if k in after]
    words = [{s.key.rpartition(".")[2] for s in side} for side in (first, second)]
    if ("bias" in words[0]) != ("bias" in words[1]) and "bias" not in old.exact:
        yield replace(_change(new), setting="bias", old="bias" in words[0], new="bias" in words[1])
    for left, right in zip(first, second, strict=False):
        if left.trainable != right.trainable:
            yield replace(
                _change(new),
                setting=f"{right.key} trainable",
                old=left.trainable,
                new=right.trainable,
            )
        elif (left.shape, right.parameter) == (right.shape, False) and left.value != right.value:
            yield replace(_change(new), setting=f"{right.key} values")


def _other_weights(old: Op, new: Op, names: Mapping[str, str]) -> Iterator[LayerChange]:
    """A layer that is called where another one was, though both models have both."""
    before, after = [names.get(key, key) for key in old.reads], list(new.reads)
    if before and after and not set(before) & set(after) and old.layer != new.layer:
        yield replace(_change(new), setting="layer", old=old.layer, new=new.layer)


def _rewired(old: Canonical, new: Canonical, aligned: Alignment) -> Iterator[LayerChange]:
    """Operations that read other results than before, though those are still there."""
    partner = {a.id: b.id for a, b in (*aligned.pairs, *aligned.moved)}
    moved = {b.id for _, b in aligned.moved}
    for before, after in aligned.pairs:
        wanted = [partner.get(s) for s in old.reads[before.id]]
        found = list(new.reads[after.id])
        if None in wanted or wanted == found or not set(found) <= set(partner.values()):
            continue
        if len(wanted) < 2 and len(found) < 2:
            continue  # what lies between was added or removed, and is listed
        apart = [{a, b} for a, b in zip(wanted, found, strict=False) if a != b]
        if len(wanted) == len(found) and all(pair & moved for pair in apart):
            continue  # the layer that moved is listed
        names = [tuple(_layers(old, old.reads[before.id])), tuple(_layers(new, found))]
        yield replace(_change(after), setting="inputs", old=names[0], new=names[1])


def _layers(side: Canonical, names: Iterable[str]) -> Iterator[str]:
    yield from (side.ops[name].layer for name in names if name in side.ops)


def _grouped(changes: Iterable[LayerChange]) -> tuple[LayerChange, ...]:
    """One change for all layers that the same line builds."""
    found: dict[object, LayerChange] = {}
    for change in changes:
        key: tuple[Location | None, str, str, str, str, str] = (
            change.location,
            change.kind,
            change.setting,
            repr(change.old),
            repr(change.new),
            "" if change.location else change.layer,
        )
        known = found.get(key)
        found[key] = replace(known, count=known.count + 1) if known else change
    return tuple(found.values())
