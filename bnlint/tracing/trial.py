"""Models run on the CPU with reproducible weights; results are stored or compared.

Two versions of a file cannot be loaded in one process, so each runs in its own. The numbers of a
parameter or a running statistic depend only on its name and shape. So what two versions share
starts from the same weights, and no weights have to be stored.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bnlint.domain.errors import in_words
from bnlint.domain.finding import Problem
from bnlint.domain.request import (
    Closing,
    Fold,
    InputSpec,
    ModelSpec,
    Record,
    Trial,
    TrialRequest,
    TrialResult,
)
from bnlint.models.nested import tensors
from bnlint.models.workshop import Built, Workshop
from bnlint.tracing.file import opened

LIMIT = 200_000_000
"""Parameters up to which a model is run."""

_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
_BATCHES = (1, 2, 4)
"""By how much the batch is multiplied until the model runs in train mode."""


@dataclass(frozen=True, slots=True)
class Results:
    """The tensors that a model returned by mode, and how it was run."""

    dtype: torch.dtype
    batch: int
    outputs: dict[str, list[torch.Tensor]]


def trial_records(request: TrialRequest) -> Iterator[Record]:
    """The verdict on each model of one file; runs the user's code: meant for a child."""
    with opened(request.file) as found:
        if isinstance(found, Problem):
            yield found
        else:
            source, imported = found
            workshop = Workshop(imported.module, source, LIMIT, lost=imported.lost)
            yield from try_models(workshop, request.file.models, request.trial)
    yield Closing(torch=torch.__version__)


def try_models(
    workshop: Workshop, models: Iterable[ModelSpec], trial: Trial
) -> Iterator[TrialResult]:
    """A verdict for each model, as :class:`Trial` asks for it."""
    kept: dict[str, Results]
    kept = torch.load(trial.store, weights_only=False) if trial.against else {}
    for spec in models:
        folds = tuple(f for f in trial.folds if f.model == spec.call)
        yield _one(workshop, spec, folds, kept, trial.against)
    if not trial.against:
        torch.save(kept, trial.store)


def _one(
    workshop: Workshop,
    spec: ModelSpec,
    folds: tuple[Fold, ...],
    kept: dict[str, Results],
    against: bool,
) -> TrialResult:
    if against and spec.call not in kept:
        return TrialResult(spec.call, "impossible", "it did not run before the edit")
    built = next(iter(workshop.named(spec)), None)
    if not isinstance(built, Built):
        return TrialResult(spec.call, "impossible", built.message if built else "not built")
    if not spec.inputs:
        return TrialResult(spec.call, "impossible", "no input of it is known")
    if any(p.is_meta for p in built.model.parameters()):
        reason = f"it has more than {LIMIT:,} parameters, or cannot be built for real"
        return TrialResult(spec.call, "impossible", reason)
    if not against:
        found = _first_run(built.model, spec.inputs)
        if isinstance(found, str):
            return TrialResult(spec.call, "impossible", found)
        kept[spec.call] = found
        return TrialResult(spec.call, "ran")
    return _compared(built.model, spec, folds, kept[spec.call])


def _first_run(model: nn.Module, inputs: Sequence[InputSpec]) -> Results | str:
    """The results, in double precision if the model runs in it, or why it does not run."""
    reason = ""
    for dtype in _TOLERANCE:
        for batch in _BATCHES:
            results, reason = run(model, inputs, dtype, batch, ())
            if "train" in results.outputs:
                return results
            if "eval" in results.outputs and batch == _BATCHES[-1]:
                return results
    return reason


def _compared(
    model: nn.Module, spec: ModelSpec, folds: tuple[Fold, ...], old: Results
) -> TrialResult:
    new, reason = run(model, spec.inputs, old.dtype, old.batch, folds)
    for mode, before in old.outputs.items():
        after = new.outputs.get(mode)
        if after is None:
            return TrialResult(spec.call, "different", f"in {mode} mode it fails: {reason}")
        if said := difference(before, after, _TOLERANCE[old.dtype]):
            return TrialResult(spec.call, "different", f"in {mode} mode {said}")
    if not any(t.numel() for mode in old.outputs.values() for t in mode):
        return TrialResult(spec.call, "impossible", "it returns no tensor")
    return TrialResult(spec.call, "equal", " and ".join(old.outputs))


def run(
    model: nn.Module,
    inputs: Sequence[InputSpec],
    dtype: torch.dtype,
    batch: int,
    folds: tuple[Fold, ...],
) -> tuple[Results, str]:
    """The model's results in train and then in eval mode, and why one of them is missing."""
    model.to(dtype)
    fill_weights(model, dtype)
    registered: dict[str, Any] = dict(model.named_modules())
    for fold in folds:  # the norm's running mean contains a bias that was removed
        norm: Any = registered.get(fold.norm)  # none where forward builds it: it starts at zero
        if getattr(norm, "running_mean", None) is not None:
            shape = norm.running_mean.shape
            norm.running_mean.data.sub_(_weights(f"{fold.kernel}.bias", shape, dtype))
    outputs, reason = {}, ""
    for mode in ("train", "eval"):
        model.train(mode == "train")
        args, kwargs = _inputs(inputs, dtype, batch)
        torch.manual_seed(0)
        try:
            with torch.no_grad():
                found = list(tensors(model(*args, **kwargs)))
            outputs[mode] = [t.detach().to(torch.float64) for t in found]
        except Exception as error:
            reason = in_words(error)
    return Results(dtype, batch, outputs), reason


def fill_weights(model: nn.Module, dtype: torch.dtype) -> None:
    """Set parameters and running statistics to numbers that depend only on names and shapes."""
    norms = [name for name, m in model.named_modules() if hasattr(m, "running_var")]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(_weights(name, parameter.shape, dtype))
        for name in norms:
            norm: Any = model.get_submodule(name)
            if norm.running_mean is not None:
                shape = norm.running_mean.shape
                norm.running_mean.copy_(_noise(f"{name}.running_mean", shape, dtype) * 0.1)
                spread = _noise(f"{name}.running_var", shape, dtype).abs()
                norm.running_var.copy_(0.5 + 0.5 * spread)


def difference(
    before: Sequence[torch.Tensor], after: Sequence[torch.Tensor], tolerance: float
) -> str:
    """How two lists of results differ, in words; empty if they are equal."""
    if [t.shape for t in before] != [t.shape for t in after]:
        return "the results have other shapes"
    for old, new in zip(before, after, strict=True):
        if not torch.isfinite(old).all():
            return "the results are not finite, so they tell nothing"
        apart = (old - new).abs().max().item() if old.numel() else 0.0
        if not apart <= tolerance * (1 + old.abs().max().item() if old.numel() else 1):
            return f"the results differ by up to {apart:.2g}"
    return ""


def _weights(name: str, shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    noise = _noise(name, shape, dtype)
    if len(shape) > 1:
        return noise * math.sqrt(2 / max(1, math.prod(shape[1:])))
    return 0.1 * noise if name.endswith("bias") else 1 + 0.1 * noise


def _noise(name: str, shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator, dtype=torch.float32).to(dtype)


def _inputs(
    specs: Sequence[InputSpec], dtype: torch.dtype, batch: int
) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    args, kwargs = [], {}
    for number, spec in enumerate(specs):
        shape = (spec.shape[0] * batch, *spec.shape[1:]) if spec.shape else ()
        noise = _noise(f"input {number}", torch.Size(shape), torch.float32)
        kind = getattr(torch, spec.dtype)
        value = noise.to(dtype) if kind.is_floating_point else (noise > 0).to(kind)
        if spec.name:
            kwargs[spec.name] = value
        else:
            args.append(value)
    return args, kwargs
