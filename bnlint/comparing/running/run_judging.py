"""One run of the new model held against that of the old one: outputs, statistics, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from bnlint.comparing.running.old_side import Key, OldTrial, run_draw, sampled
from bnlint.comparing.running.run_model import TRAIN, Bench, ForwardRun
from bnlint.comparing.running.tape import TapeStep, first_difference
from bnlint.domain.model_comparison import OTHER_ORDER
from bnlint.domain.phrases import shape_text

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Relative to the largest output."""
_GRADIENTS = 1e-6
_NONE = (0.0, 0.0)
_OVERFLOWS = "for large inputs the new model returns values that are not finite"


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
    elsewhere: str = ""

    def differ(self, reason: str, first: TapeStep | None = None) -> None:
        """Note a difference; the first one is reported."""
        if self.equal:
            self.equal, self.reason, self.first = False, reason, first


def judge(judged: Judged, key: Key, old: Mapping[str, Any], new: ForwardRun, bench: Bench) -> None:
    """Compare one run; what is not finite in the old one is left out."""
    outputs = old["outputs"]
    if not finite(outputs):
        return
    if key[0] and not finite(new.outputs):  # at usual values it is reported like any difference
        judged.reason = judged.reason or _OVERFLOWS
        return
    judged.compared += 1
    mode = key[1]
    apart, said = apart_of(old, new)
    if said or apart > _tolerance(judged):
        if _equal_in_other_order(judged, key, bench):
            judged.other_order = True
            judged.reason = judged.reason or OTHER_ORDER
            return
        judged.differ(said or "", first_difference(_steps(old), new.tape))
    elif old["shape"] != new.shape:
        judged.differ(f"it returns {new.shape} instead of {old['shape']}")
    judged.differences[mode] = max(judged.differences.get(mode, 0.0), apart)
    if judged.equal and mode == TRAIN:
        _judge_training(judged, old, new, bench)


def finite(outputs: Sequence[torch.Tensor]) -> bool:
    """Whether all numbers are."""
    return all(bool(torch.isfinite(t).all()) for t in outputs if t.is_floating_point())


def _tolerance(judged: Judged) -> float:
    return TOLERANCE[judged.trial.dtype]


def _steps(old: Mapping[str, Any]) -> list[TapeStep]:
    return [TapeStep("", tuple(map(tuple, prints)), ()) for prints in old["steps"]]


def apart_of(old: Mapping[str, Any], new: ForwardRun) -> tuple[float, str]:
    """The largest difference relative to the largest output, and what else differs."""
    sizes = [tuple(size) for size in old["sizes"]]
    if len(sizes) != len(new.outputs):
        return float("inf"), f"it returns {len(new.outputs)} tensors instead of {len(sizes)}"
    for size, after in zip(sizes, new.outputs, strict=True):
        if size != tuple(after.shape):
            sizes_of = f"{shape_text(after.shape)} instead of {shape_text(size)}"
            return float("inf"), f"an output is {sizes_of}"
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


def _equal_in_other_order(judged: Judged, key: Key, bench: Bench) -> bool:
    """Whether the outputs are equal once random numbers don't depend on the order of draws."""
    old = judged.trial.runs.get((key[0], key[1], True))
    if old is None:
        return False
    try:
        new = run_draw(bench, judged.trial.call, (key[0], key[1], True))
    except Exception:  # it ran before, but the user's code may do anything
        return False
    apart, said = apart_of(old, new)
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
