"""The new model is run with the weights and inputs of the old one, and its results compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.comparing.running.loading_attempt import loaded_under
from bnlint.comparing.running.old_side import Key, OldResults, OldTrial, run_draw, sampled
from bnlint.comparing.running.run_model import TRAIN, Bench, ForwardRun
from bnlint.comparing.running.tape import TapeStep, first_difference
from bnlint.domain.errors import in_words
from bnlint.domain.request import KeyMap, LoadAttempt, ProofResult
from bnlint.layers.table import Table
from bnlint.loading.sites import Locator
from bnlint.tracing.describing.states import describe_states

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Relative to the largest output."""
_GRADIENTS = 1e-6
_NONE = (0.0, 0.0)
_OVERFLOWS = "for large inputs the new model returns values that are not finite"
_OTHER_ORDER = (
    "random numbers are drawn in another order; with numbers that don't depend on the order, the "
    "outputs are equal"
)

Attempts = tuple[LoadAttempt, tuple[LoadAttempt, ...]]


@dataclass(slots=True)
class Judged:
    """The comparison of all runs of one trial under one map."""

    trial: OldTrial
    differences: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    equal: bool = True
    first: TapeStep | None = None
    compared: int = 0
    other_order: bool = False

    def differ(self, reason: str, first: TapeStep | None = None) -> None:
        """Note a difference; the first one is reported."""
        if self.equal:
            self.equal, self.reason, self.first = False, reason, first


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
            _judge(judged, key, old, new, bench)
        if judged.compared:
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


def _judge(judged: Judged, key: Key, old: Mapping[str, Any], new: ForwardRun, bench: Bench) -> None:
    """Compare one run; what is not finite in the old one is left out."""
    outputs = old["outputs"]
    if not _finite(outputs):
        return
    if key[0] and not _finite(new.outputs):  # at usual values it is reported like any difference
        judged.reason = judged.reason or _OVERFLOWS
        return
    judged.compared += 1
    mode = key[1]
    apart, said = _apart(old, new)
    if said or apart > _tolerance(judged):
        if _equal_in_other_order(judged, key, bench):
            judged.other_order = True
            judged.reason = judged.reason or _OTHER_ORDER
            return
        judged.differ(said or "", first_difference(_steps(old), new.tape))
    elif old["shape"] != new.shape:
        judged.differ(f"it returns {new.shape} instead of {old['shape']}")
    judged.differences[mode] = max(judged.differences.get(mode, 0.0), apart)
    if judged.equal and mode == TRAIN:
        _judge_training(judged, old, new, bench)


def _finite(outputs: Sequence[torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in outputs if t.is_floating_point())


def _tolerance(judged: Judged) -> float:
    return TOLERANCE[judged.trial.dtype]


def _steps(old: Mapping[str, Any]) -> list[TapeStep]:
    return [TapeStep("", tuple(map(tuple, prints)), ()) for prints in old["steps"]]


def _apart(old: Mapping[str, Any], new: ForwardRun) -> tuple[float, str]:
    """The largest difference relative to the largest output, and what else differs."""
    sizes = [tuple(size) for size in old["sizes"]]
    if len(sizes) != len(new.outputs):
        return float("inf"), f"it returns {len(new.outputs)} tensors instead of {len(sizes)}"
    for size, after in zip(sizes, new.outputs, strict=True):
        if size != tuple(after.shape):
            return float("inf"), f"an output is {_shown(after.shape)} instead of {_shown(size)}"
    pairs = zip(old["outputs"], map(sampled, new.outputs), strict=True)
    return max((_relative(before, after) for before, after in pairs), default=0.0), ""


def _relative(before: torch.Tensor, after: torch.Tensor) -> float:
    """The largest difference relative to the largest number; infinite if it is no number."""
    if not before.numel():
        return 0.0
    wide = torch.complex128 if before.is_complex() or after.is_complex() else torch.float64
    a, b = before.to(wide), after.to(wide)
    size, apart = float(a.abs().max()), float((a - b).abs().max())
    if apart != apart:
        return float("inf")
    return apart / size if size else apart


def _shown(size: Sequence[int]) -> str:
    return "x".join(map(str, size)) or "scalar"


def _equal_in_other_order(judged: Judged, key: Key, bench: Bench) -> bool:
    """Whether the outputs are equal once random numbers don't depend on the order of draws."""
    old = judged.trial.runs.get((key[0], key[1], True))
    if old is None:
        return False
    try:
        new = run_draw(bench, judged.trial.call, (key[0], key[1], True))
    except Exception:  # it ran before, but the user's code may do anything
        return False
    apart, said = _apart(old, new)
    return new.drew and not said and apart <= _tolerance(judged)


def _judge_training(judged: Judged, old: Mapping[str, Any], new: ForwardRun, bench: Bench) -> None:
    """Running statistics after a step, and gradients."""
    for key, buffer in new.buffers.items():
        before = old["buffers"].get(bench.names.get(key, ""))
        if before is None or before.shape != buffer.shape or not buffer.is_floating_point():
            continue
        if _relative(before, buffer) > _tolerance(judged):
            layer = key.rpartition(".")[0]
            judged.differ(f"only `{key}` differs after a training step", TapeStep(layer, (), ()))
    _judge_gradients(judged, old["gradients"], new, bench)


def _judge_gradients(
    judged: Judged, old: Mapping[str, tuple[float, float]], new: ForwardRun, bench: Bench
) -> None:
    """Sums and norms of gradients; a parameter that is trained on one side only differs, too."""
    wide = 1e3 if judged.trial.dtype == torch.float32 else 1.0
    scale = max((norm for _, norm in old.values()), default=0.0)
    for key, name in bench.names.items():
        (before, norm), (after, new_norm) = old.get(name, _NONE), new.gradients.get(key, _NONE)
        allowed = wide * _GRADIENTS * max(norm, 1e-6 * scale)
        if abs(norm - new_norm) > allowed or abs(before - after) > 10 * allowed:
            layer = TapeStep(key.rpartition(".")[0], (), ())
            judged.differ(f"the outputs are equal, but the gradient of `{key}` differs", layer)
            return
