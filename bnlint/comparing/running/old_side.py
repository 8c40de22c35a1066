"""The old model is run with several weights and inputs; all that the new one needs is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.comparing.running.inputs_to_run import multiplied, resized
from bnlint.comparing.running.run_model import EVAL, TRAIN, Bench, Call, ForwardRun
from bnlint.comparing.running.weights_by_name import DRAWS, spread_constants
from bnlint.domain.errors import in_words
from bnlint.domain.graph import Shape
from bnlint.layers.table import Table
from bnlint.loading.sites import Locator
from bnlint.models.nested import mapped
from bnlint.tracing.describing.states import describe_states

DTYPES = (torch.float64, torch.float32)
_BATCHES = (2, 1, 4)
"""By how much the batch of an input is multiplied until the model runs in both modes."""
_SECONDS = 8.0
"""After this time no more weights are drawn beyond the first two."""
_NEEDED = 2
_MOST_NUMBERS = 1 << 20

Key = tuple[int, str, bool]
"""The number of a draw, the mode, and whether draws are free of their order."""


@dataclass(slots=True)
class OldTrial:
    """One input, and what became of it by draw and mode."""

    call: Call
    dtype: torch.dtype
    runs: dict[Key, dict[str, Any]] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """As plain containers of tensors."""
        return {"call": list(self.call), "dtype": str(self.dtype), "runs": list(self.runs.items())}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> OldTrial:
        """The trial of :meth:`stored`."""
        by_name = {str(dtype): dtype for dtype in DTYPES}
        args, kwargs = stored["call"]
        return cls((args, kwargs), by_name[stored["dtype"]], dict(stored["runs"]))


@dataclass(slots=True)
class OldResults:
    """What the new side needs; ``reason`` says why nothing ran.

    ``resized`` is the first trial with a larger input, where the model takes one.
    """

    keys: dict[str, Shape]
    tied: dict[str, str]
    buffers: dict[str, torch.Tensor]
    trials: list[OldTrial] = field(default_factory=list)
    reason: str = ""
    resized: OldTrial | None = None

    def stored(self) -> dict[str, Any]:
        """As plain containers of tensors, which are loaded without running code."""
        keys = {key: list(shape) for key, shape in self.keys.items()}
        return {
            "keys": keys,
            "tied": self.tied,
            "buffers": self.buffers,
            "trials": [trial.stored() for trial in self.trials],
            "reason": self.reason,
            "resized": self.resized.stored() if self.resized else None,
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> OldResults:
        """The result of :meth:`stored`."""
        trials = [OldTrial.read(trial) for trial in stored["trials"]]
        resized = OldTrial.read(stored["resized"]) if stored["resized"] else None
        keys = {key: tuple(shape) for key, shape in stored["keys"].items()}
        return cls(keys, stored["tied"], stored["buffers"], trials, stored["reason"], resized)


def run_old(
    model: nn.Module,
    calls: Sequence[Call],
    wanted: int,
    table: Table,
    file: str,
) -> OldResults:
    """The results of the old model with the inputs that it takes.

    Of the calls after the first ``wanted`` ones, at most one is run.
    """
    kept = _inventory(model)
    if any(p.is_meta for p in (*model.parameters(), *model.buffers())):
        kept.reason = "the model cannot be built with real weights here"
    elif not calls:
        kept.reason = "no input is known"
    end = time.monotonic() + _SECONDS
    for dtype in DTYPES if not kept.reason else ():
        _settle(model, calls, dtype)
        kept = _inventory(model)
        for number, call in enumerate(calls):
            if kept.trials and (number >= wanted or time.monotonic() > end):
                break
            bench = _bench(model, dtype, table, file)
            trial, reason = _first_trial(bench, call, dtype)
            kept.reason = kept.reason or reason
            if trial is not None:
                kept.trials.append(trial)
                _more_draws(bench, trial)
                kept.resized = kept.resized or _resized_trial(bench, trial)
        if kept.trials:
            kept.reason = ""
            break
    return kept


def _inventory(model: nn.Module) -> OldResults:
    states = describe_states(model)
    buffers = dict(model.named_buffers(remove_duplicate=False))
    held = {s.key: buffers[s.key] for s in states if s.persistent and s.key in buffers}
    spread_constants(held)
    return OldResults(
        {s.key: s.shape for s in states if s.persistent},
        {s.key: s.tied for s in states if s.tied},
        {key: buffer.detach().clone() for key, buffer in held.items()},
    )


def _bench(model: nn.Module, dtype: torch.dtype, table: Table, file: str) -> Bench:
    names = {s.key: s.tied or s.key for s in describe_states(model)}
    start = {key: b.detach().clone() for key, b in model.named_buffers()}
    return Bench(model, names, start, dtype, table, Locator(file))


def _settle(model: nn.Module, calls: Sequence[Call], dtype: torch.dtype) -> None:
    """Give the model its type, and lazy layers their shapes."""
    model.to(dtype)
    if not any(map(is_lazy, model.parameters())):
        return
    for call in calls:
        try:
            with torch.no_grad():
                args, kwargs = (mapped(part, lambda t: _typed(t, dtype)) for part in call)
                model(*args, **kwargs)
        except Exception:  # another input may fit
            continue
        return


def _typed(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _first_trial(bench: Bench, call: Call, dtype: torch.dtype) -> tuple[OldTrial | None, str]:
    """The trial of an input with the first batch that runs in both modes, else in eval mode."""
    best: OldTrial | None = None
    reason = ""
    for batch in _BATCHES:
        trial = OldTrial(multiplied(call, batch), dtype)
        for mode in (EVAL, TRAIN):
            reason = _add(bench, trial, 0, mode) or reason
        if len({mode for _, mode, _ in trial.runs}) == 2:
            return trial, ""
        if trial.runs and best is None:
            best = trial
    return best, reason


def _resized_trial(bench: Bench, trial: OldTrial) -> OldTrial | None:
    """One run in eval mode with a larger input, where the model takes it."""
    for call in resized(trial.call):
        larger = OldTrial(call, trial.dtype)
        if not _add(bench, larger, 0, EVAL):
            return larger
    return None


def _more_draws(bench: Bench, trial: OldTrial) -> None:
    modes = {mode for _, mode, _ in trial.runs}
    end = time.monotonic() + _SECONDS
    for number in range(1, len(DRAWS)):
        for mode in sorted(modes):
            if number < _NEEDED or time.monotonic() < end:
                _add(bench, trial, number, mode)


def _add(bench: Bench, trial: OldTrial, number: int, mode: str) -> str:
    """ForwardRun the model and keep what it did; the reason if it fails."""
    try:
        run = run_draw(bench, trial.call, (number, mode, False))
        trial.runs[number, mode, False] = shortened_run(run)
        if run.drew and number < _NEEDED:
            free = run_draw(bench, trial.call, (number, mode, True))
            trial.runs[number, mode, True] = shortened_run(free)
    except Exception as error:  # the user's forward may raise anything
        return f"in {mode} mode: {in_words(error)}"
    return ""


def run_draw(bench: Bench, call: Call, key: Key) -> ForwardRun:
    """The run of one draw; the first one in train mode with gradients."""
    number, mode, order_free = key
    draw = DRAWS[number]
    scaled = _scaled(call, draw.scale)
    train = number == 0 and mode == TRAIN
    return bench.run(scaled, draw, mode, order_free=order_free, train=train)


def shortened_run(run: ForwardRun) -> dict[str, Any]:
    """A run as plain containers of tensors."""
    return {
        "outputs": list(map(sampled, run.outputs)),
        "sizes": [list(t.shape) for t in run.outputs],
        "shape": run.shape,
        "buffers": run.buffers,
        "steps": [step.prints for step in run.tape.steps],
        "drew": run.drew,
        "gradients": run.gradients,
    }


def sampled(tensor: torch.Tensor) -> torch.Tensor:
    """All numbers of a result, or every n-th of a large one, as files of a child are limited."""
    step = tensor.numel() // _MOST_NUMBERS + 1
    return tensor.flatten()[::step].clone() if step > 1 else tensor


def _scaled(call: Call, scale: float) -> Call:
    def one(tensor: torch.Tensor) -> torch.Tensor:
        return tensor * scale if tensor.is_floating_point() else tensor

    args, kwargs = mapped(call[0], one), mapped(call[1], one)
    return args, kwargs
