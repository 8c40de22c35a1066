"""The answers and the verdict, each only as far as something was measured."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.comparing.canonical import Canonical, same_graph
from bnlint.domain.graph import ModelGraph, Shape
from bnlint.domain.model_comparison import (
    CHANGED,
    IDENTICAL,
    NOT_COMPARED,
    SAME_FUNCTION,
    CheckpointAnswer,
    FirstDifference,
    FunctionAnswer,
    GraphAnswer,
    Renamed,
    Reshaped,
)
from bnlint.domain.phrases import listed, shape_text
from bnlint.domain.request import KeyMap, LoadAttempt, ProofResult

_FEW = 3
_PLUMBING = frozenset(
    ("reshape", "transpose", "flatten", "slice", "split", "other", "identity", "passthrough")
)
"""Kinds of operations that a refactoring often writes in another way."""


def checkpoint_answer(
    old: Mapping[str, Shape],
    new: Mapping[str, Shape],
    proof: ProofResult | None,
    maps: tuple[KeyMap, ...],
    reason: str = "",
) -> CheckpointAnswer:
    """What became of the old keys; ``loads`` is what torch itself said."""
    chosen = max(proof.chosen, 0) if proof else 0
    loads = proof.loads.loads if proof and proof.loads else None
    renames = maps[chosen] if maps and not loads else ()
    renamed = tuple(Renamed(a, b) for a, b in renames)
    gone, come = {a for a, _ in renames}, {b for _, b in renames}
    missing = tuple(k for k in new if k not in come and (k not in old or k in gone))
    unexpected = tuple(k for k in old if k not in gone and (k not in new or k in come))
    kept = [k for k in old if k in new and k not in gone and k not in come]
    reshaped = tuple(Reshaped(k, old[k], new[k]) for k in kept if old[k] != new[k])
    with_renames = None
    if proof and proof.mapped and maps:
        with_renames = proof.mapped[chosen].loads
    elif loads is not None:
        with_renames = loads
    if loads:  # hooks of the model may rename keys itself
        missing, unexpected, reshaped = (), (), ()
    said = reason if loads is None else _error(proof.loads if proof else None)
    return CheckpointAnswer(loads, missing, unexpected, reshaped, renamed, with_renames, said)


def _error(attempt: LoadAttempt | None) -> str:
    return attempt.error if attempt else ""


def function_answer(
    proof: ProofResult | None, checkpoint: CheckpointAnswer, reason: str, graph: GraphAnswer
) -> FunctionAnswer:
    """Whether outputs are equal; not compared where the old weights don't fit.

    Another setting of a layer is a change where only a larger input shows it; a layer that was
    written otherwise may be meant for one size.
    """
    if proof is None or not proof.ran:
        return FunctionAnswer(reason=reason or (proof.reason if proof else ""))
    if not proof.equal and (misfit := _misfit(checkpoint)):
        return FunctionAnswer(reason=misfit, tolerance=proof.tolerance, dtype=proof.dtype)
    apart = dict(proof.differences)
    equal = proof.equal and not (proof.elsewhere and _settings_changed(graph))
    first = FirstDifference(proof.first, proof.line) if proof.first else None
    return FunctionAnswer(
        True,
        equal,
        equal and not any(apart.values()),
        apart,
        None if proof.equal else first,
        proof.reason or proof.elsewhere,
        proof.tolerance,
        proof.dtype,
    )


def _misfit(checkpoint: CheckpointAnswer) -> str:
    """Why the old weights say nothing about the new model; empty if they fit."""
    if checkpoint.reshaped:
        shown = [
            f"`{r.key}` {shape_text(r.old)} -> {shape_text(r.new)}"
            for r in checkpoint.reshaped[:_FEW]
        ]
        more = len(checkpoint.reshaped) - _FEW
        shown += [f"{more} more"] if more > 0 else []
        return f"the weights don't fit: {listed(shown)}"
    if checkpoint.missing and checkpoint.unexpected:
        gone = listed([f"`{k}`" for k in checkpoint.unexpected[:_FEW]])
        more = len(checkpoint.unexpected) - _FEW
        return f"the weights don't fit: nothing takes {gone}" + (
            f" and {more} more" if more > 0 else ""
        )
    return ""


def verdict_of(
    old: Canonical,
    new: Canonical,
    checkpoint: CheckpointAnswer,
    function: FunctionAnswer,
    graph: GraphAnswer,
) -> tuple[str, str]:
    """One word, and the reason where nothing can be said."""
    same_keys = _keys(old.graph) == _keys(new.graph)
    same = same_keys and same_graph(old, new)
    if function.compared:
        if not function.equal:
            return CHANGED, ""
        return (IDENTICAL if same and not function.reason else SAME_FUNCTION), ""
    if same:
        return IDENTICAL, ""
    if checkpoint.reshaped or _layers_changed(graph):
        return CHANGED, ""
    return NOT_COMPARED, function.reason


def _keys(graph: ModelGraph) -> list[tuple[str, Shape]]:
    return sorted((s.key, s.shape) for s in graph.states if s.persistent)


def _layers_changed(graph: GraphAnswer) -> bool:
    """True if layers came or went or are set otherwise, not only written otherwise."""
    come_and_gone = (*graph.added, *graph.removed)
    return _settings_changed(graph) or any(c.kind not in _PLUMBING for c in come_and_gone)


def _settings_changed(graph: GraphAnswer) -> bool:
    settings = (c for c in graph.changed if c.setting not in ("forward", "inputs"))
    return any(c.kind not in _PLUMBING for c in settings)
