"""Every extra pass of a probe, each from the state that the model had before anything ran."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from bnlint.domain.errors import ProbeError, is_out_of_memory
from bnlint.domain.trials import InputStats, OutputStats, Trials
from bnlint.models.nested import tensors
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.labelling import initial_loss, labels
from bnlint.probing.session import Session
from bnlint.probing.trying import evaluation
from bnlint.probing.trying.differentiation import (
    Differentiated,
    differentiated,
    frozen_end,
    starts_closed,
    unread_indices,
)
from bnlint.probing.trying.not_finite import lost_state, origin_of
from bnlint.probing.untouched import Untouched

T = TypeVar("T")


@contextmanager
def fresh(session: Session) -> Iterator[None]:
    """A block that finds the model as it is now, and leaves it so."""
    with Untouched(session.watched, session.device):
        yield


@dataclass(slots=True)
class Attempts:
    """Runs experiments; ``seconds`` says what each took."""

    session: Session
    seconds: dict[str, float] = field(default_factory=dict)
    failed: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, what: str, run: Callable[[], T]) -> T | None:
        """What an experiment found; None, to be noted, if the model fails or memory runs out."""
        started = time.perf_counter()
        try:
            with fresh(self.session):
                return run()
        except ProbeError as error:
            self.failed.setdefault(error.mistakes[0].message, []).append(what)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:  # of torch
            out = is_out_of_memory(error)
            said = "out of memory" if out else f"{type(error).__name__}: {error}"
            self.failed.setdefault(said[:200], []).append(what)
        finally:
            self.seconds[what] = time.perf_counter() - started
        return None

    def note(self) -> None:
        """Adds what failed to the notes, once for each reason."""
        for reason, names in self.failed.items():
            self.session.note(f"not measured: {', '.join(names)}: {reason}")


def tried(attempt: Attempts, batch: Batch, sound: bool) -> dict[str, Any]:
    """What the extra passes on one batch found, as fields of the result.

    Where the forward or the gradient is not ``sound``, only where inf or nan begins is looked for.
    """
    session = attempt.session
    if not sound:
        origin = attempt("where inf or nan begins", lambda: origin_of(session, batch))
        return {"trials": Trials(not_finite=origin), "inputs": inputs_of(batch, None, ())}
    passed = attempt("the gradient of all outputs", lambda: differentiated(session, batch))
    unread = attempt("indices without effect", lambda: unread_indices(session, batch)) or ()
    first = attempt("the first evaluation", lambda: evaluation.first_evaluation(session, batch))
    trials = Trials(
        leak=attempt("other samples", lambda: evaluation.sample_leak(session, batch)),
        random=attempt("the same evaluation twice", lambda: evaluation.chance(session, batch)),
        first_evaluation=first[0] if first else None,
        first_evaluation_at=first[1] if first else None,
        alone=attempt("a single sample", lambda: evaluation.alone(session, batch)),
        frozen_end=frozen_end(session),
        closed=starts_closed(session),
        not_finite=lost_state(session),
        switched=session.switched,
    )
    if passed is None:
        return {"trials": trials, "inputs": inputs_of(batch, None, unread)}
    return {
        "trials": _with(trials, session, passed, batch),
        "inputs": inputs_of(batch, passed, unread),
        "outputs": outputs_of(passed.outputs),
    }


def _with(trials: Trials, session: Session, passed: Differentiated, batch: Batch) -> Trials:
    targets = batch.part(slice(len_of(passed.outputs, batch))).on(session.device).targets
    return replace(
        trials,
        cut=passed.cut,
        silent=passed.silent,
        trainable=passed.trainable,
        twice=passed.twice,
        moving=passed.moving,
        labels=session.labels or labels(None, session.layouts, passed.outputs, targets),
        initial_loss=initial_loss(session.layouts, passed.outputs, targets, session.seed),
    )


def len_of(outputs: Any, batch: Batch) -> int:
    """The number of samples that these outputs are of."""
    first = next((t for t in tensors(outputs) if t.ndim), None)
    return min(batch.samples, first.shape[0]) if first is not None else batch.samples


def inputs_of(
    batch: Batch, passed: Differentiated | None, unread: tuple[float | None, ...]
) -> tuple[InputStats, ...]:
    """A row for each tensor that enters the model, with the share that no output depends on."""
    found, indices = [], iter(unread)
    floats = iter(passed.unread if passed is not None else ())
    names = [*(f"input {n + 1}" if n else "input" for n, _ in enumerate(batch.args)), *batch.kwargs]
    every = list(tensors((batch.args, dict(batch.kwargs))))
    for number, given in enumerate(every):
        name = names[number] if len(names) == len(every) else f"input {number + 1}"
        row = InputStats(name, tuple(given.shape), str(given.dtype).removeprefix("torch."))
        row = replace(row, constant=_constant(given, batch.samples))
        if given.is_floating_point():
            row = _floating(row, given.detach().float(), passed, next(floats, None))
        elif given.dtype is not torch.bool:
            row = replace(row, unread=next(indices, None))
        found.append(row)
    return tuple(found)


def _constant(given: Tensor, samples: int) -> float | None:
    """The share of features that are the same in all samples; None where there are no samples."""
    if given.ndim < 2 or given.shape[0] != samples or samples < 2 or not given.numel():
        return None
    if given.layout is not torch.strided or given.is_complex():
        return None
    return float((given == given[:1]).all(0).float().mean())


def _signal(x: Tensor) -> float | None:
    """The spread between samples of each entry over the root mean square; None if all is zero."""
    rms = float(x.square().mean().sqrt())
    if x.ndim < 2 or x.shape[0] < 2 or rms == 0:
        return None
    return float((x - x.mean(0)).square().mean().sqrt()) / rms


def _floating(
    row: InputStats, values: Tensor, passed: Differentiated | None, unread: float | None
) -> InputStats:
    finite = bool(values.isfinite().all())
    mean = float(values.mean()) if finite and values.numel() else None
    std = float(values.std(correction=0)) if finite and values.numel() else None
    row = replace(row, mean=mean, std=std, finite=finite, unread=unread)
    if passed is None or not passed.own or tuple(values.shape[1:]) != row.shape[1:]:
        return row
    return replace(row, reached=passed.reached, convolved=passed.convolved)


def outputs_of(outputs: Any) -> tuple[OutputStats, ...]:
    """A row for each floating-point tensor that the model returned."""
    found = []
    for number, given in enumerate(t for t in tensors(outputs) if t.is_floating_point()):
        x = given.detach().float()
        if not x.numel():
            continue
        finite = bool(x.isfinite().all())
        name = f"output {number + 1}" if number else "output"
        bounded = finite and float(x.min()) >= 0 and float(x.max()) <= 1
        std = float(x.std(correction=0))
        mean, signal = float(x.mean()), _signal(x) if finite else None
        found.append(OutputStats(name, tuple(x.shape), mean, std, finite, bounded, signal))
    return tuple(found)
