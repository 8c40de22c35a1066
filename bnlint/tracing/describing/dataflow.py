"""Which call's result a tensor is: data apart from parameters, picks, and writes in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from bnlint.layers.calls import Call, Ref, name_of, replace_refs

_DATA_SOURCES = frozenset(
    {"rand", "randn", "randint", "randn_like", "rand_like", "normal", "normal_"}
)


def data_sources(calls: Iterable[Call]) -> dict[str, str]:
    """For every call that carries data: the call whose result it stands for (itself, or a pick's).

    What derives from parameters and constants alone carries none; a layer always does.
    """
    sources: dict[str, str] = {}
    for call in calls:
        read = [sources[r.id] for r in call.data() if r.id in sources]
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


def point_to_inplace(kept: list[Call], sources: dict[str, str], outputs: list[Ref]) -> None:
    """Let later readers of a tensor read the in-place operation whose result nobody took."""
    read = {sources[r.id] for c in kept for r in c.refs() if r.id in sources}
    read |= {sources[r.id] for r in outputs if r.id in sources}
    for position, call in enumerate(kept):
        if call.id in read or not _writes_in_place(call):
            continue
        target = next((sources[r.id] for r in call.refs() if r.id in sources), None)
        if target is None:
            continue
        _redirect(kept[position + 1 :], outputs, sources, target, call.id)


def _redirect(
    later: list[Call], outputs: list[Ref], sources: Mapping[str, str], old: str, new: str
) -> None:
    def pick(item: Any) -> Any:
        return Ref(new) if isinstance(item, Ref) and sources.get(item.id) == old else item

    for call in later:
        call.args = replace_refs(call.args, pick)
        call.kwargs = replace_refs(call.kwargs, pick)
    outputs[:] = [pick(r) for r in outputs]


def _writes_in_place(call: Call) -> bool:
    if isinstance(call.target, nn.Module):
        return getattr(call.target, "inplace", False) is True
    name = name_of(call.target)
    if name in ("__setitem__", "setitem") or (name.endswith("_") and not name.endswith("__")):
        return True
    return call.kwargs.get("inplace") is True


def count_calls(kept: Iterable[Call]) -> dict[int, int]:
    """How often each module is called, by its identity."""
    totals: dict[int, int] = {}
    for call in kept:
        if isinstance(call.target, nn.Module):
            totals[id(call.target)] = totals.get(id(call.target), 0) + 1
    return totals
