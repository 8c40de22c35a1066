"""The new model is run with the weights and inputs of the old one, and its results compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from bnlint.comparing.running.loading_attempt import loaded_under
from bnlint.comparing.running.old_side import OldResults, OldTrial, run_draw
from bnlint.comparing.running.run_judging import (
    TOLERANCE,
    Judged,
    apart_of,
    finite,
    judge,
)
from bnlint.comparing.running.run_model import Bench
from bnlint.domain.errors import in_words
from bnlint.domain.phrases import listed, shape_text
from bnlint.domain.request import KeyMap, LoadAttempt, ProofResult
from bnlint.layers.table import Table
from bnlint.loading.sites import Locator
from bnlint.models.nested import tensors
from bnlint.tracing.describing.states import describe_states

Attempts = tuple[LoadAttempt, tuple[LoadAttempt, ...]]


def compare_with(
    model: nn.Module,
    kept: OldResults,
    attempts: Attempts,
    maps: Sequence[KeyMap],
    table: Table,
    file: str,
) -> ProofResult:
    """The result for the map under which the outputs are equal, else for the first that ran."""
    loads, mapped = attempts
    tried = ProofResult(False, kept.reason, loads=loads, mapped=mapped)
    if not kept.trials:
        return tried
    if any(p.is_meta for p in (*model.parameters(), *model.buffers())):
        return _with(tried, reason="the new model cannot be built with real weights here")
    best: tuple[int, Judged] | None = None
    reason = ""
    for number, renames in _to_run(model, kept, loads, maps):
        judged, reason = _under(model, kept, renames, table, file)
        if judged is None:
            continue
        if best is None or judged.equal:
            best = number, judged
        if judged.equal:
            break
    if best is None:
        return _with(tried, reason=reason)
    return _result(tried, *best)


def _elsewhere(bench: Bench, trial: OldTrial) -> str:
    """How the models differ for a larger input; empty if they don't."""
    shapes = listed([shape_text(t.shape) for t in tensors(trial.call)])
    for key, old in trial.runs.items():
        try:
            new = run_draw(bench, trial.call, key)
        except Exception as error:  # the user's forward may raise anything
            return f"with an input of {shapes} the new model fails: {in_words(error)}"
        apart, said = apart_of(old, new)
        if finite(old["outputs"]) and (said or apart > TOLERANCE[trial.dtype]):
            return f"with an input of {shapes} {said or f'the outputs differ by {apart:.2g}'}"
    return ""


def _to_run(
    model: nn.Module, kept: OldResults, loads: LoadAttempt, maps: Sequence[KeyMap]
) -> Iterator[tuple[int, KeyMap]]:
    """The maps to run with, by their numbers; what loads as it is runs as it was loaded."""
    keys = {state.key for state in describe_states(model) if state.persistent}
    if loads.loads and keys != kept.keys.keys():
        yield -1, loaded_under(model, kept.keys)
    elif loads.loads or not maps:
        yield -1, ()
    else:
        yield from enumerate(maps)


def _with(tried: ProofResult, *, reason: str) -> ProofResult:
    return ProofResult(False, reason, loads=tried.loads, mapped=tried.mapped)


def _result(tried: ProofResult, number: int, judged: Judged) -> ProofResult:
    dtype = judged.trial.dtype
    return ProofResult(
        True,
        judged.reason,
        loads=tried.loads,
        mapped=tried.mapped,
        chosen=number,
        equal=judged.equal,
        differences=judged.differences,
        first=judged.first.layer if judged.first else "",
        line=judged.first.line if judged.first else None,
        dtype=str(dtype).removeprefix("torch."),
        tolerance=TOLERANCE[dtype],
        elsewhere=judged.elsewhere,
    )


def _under(
    model: nn.Module, kept: OldResults, renames: KeyMap, table: Table, file: str
) -> tuple[Judged | None, str]:
    """All runs with the old weights under one map, or why the new model does not run."""
    reason = ""
    for trial in kept.trials:
        bench = _bench(model, kept, renames, trial.dtype, table, file)
        judged = Judged(trial)
        for key, old in trial.runs.items():
            if key[2] or (judged.other_order and old["drew"] and key[0] > 1):
                continue
            try:
                new = run_draw(bench, trial.call, key)
            except Exception as error:  # the user's forward may raise anything
                reason = f"the new model fails in {key[1]} mode: {in_words(error)}"
                if judged.compared:
                    judged.differ(reason)
                break
            judge(judged, key, old, new, bench)
        if judged.compared:
            if judged.equal and kept.resized is not None:
                judged.elsewhere = _elsewhere(bench, kept.resized)
            return judged, ""
        reason = reason or "the outputs are not finite, so they tell nothing"
    return None, reason


def _bench(
    model: nn.Module, kept: OldResults, renames: KeyMap, dtype: torch.dtype, table: Table, file: str
) -> Bench:
    model.to(dtype)
    old_names = {new: old for old, new in renames}
    names: dict[str, str] = {}
    start = {key: b.detach().clone() for key, b in model.named_buffers()}
    for state in describe_states(model):
        old = old_names.get(state.key, state.key)
        if kept.keys.get(old) == state.shape and (
            state.key in old_names or old not in _taken(renames)
        ):
            names[state.tied or state.key] = kept.tied.get(old, old)
            if old in kept.buffers:
                start[state.key] = kept.buffers[old].to(start[state.key].dtype)
    return Bench(model, names, start, dtype, table, Locator(file))


def _taken(renames: KeyMap) -> frozenset[str]:
    """The old keys that are renamed: they are not the new ones of the same name."""
    return frozenset(old for old, _ in renames)
