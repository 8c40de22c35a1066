"""The public probe, top to bottom: place, read, observe, try out, compare, judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from bnlint.domain.errors import ProbeError
from bnlint.domain.finding import Report
from bnlint.domain.graph import ModelGraph
from bnlint.domain.probe import ProbeResult
from bnlint.layers.table import Table, builtin_table
from bnlint.loading.parsing import Source
from bnlint.probing.given import batches as reading
from bnlint.probing.given import devices
from bnlint.probing.given.batches import SAMPLES, Batch
from bnlint.probing.given.noise import Shapes
from bnlint.probing.judging.evidence import layers_to_measure
from bnlint.probing.judging.places import places
from bnlint.probing.judging.verdict import judged
from bnlint.probing.observing import measure
from bnlint.probing.observing.merge import merged, merged_norms
from bnlint.probing.observing.readings import unseen
from bnlint.probing.observing.summarise import activation_stats, kernel_stats, norm_stats
from bnlint.probing.result import Probed, showing
from bnlint.probing.session import Observed, Session
from bnlint.probing.taking import Wish, checked, taken
from bnlint.probing.trying.counterfactual import compared
from bnlint.probing.trying.experiments import batch_noise, bias_effects, flags, train_eval_gap
from bnlint.probing.trying.objective import Loss, Objective
from bnlint.probing.untouched.guard import untouched

T = TypeVar("T")


def probe(
    model: nn.Module,
    batches: Any = None,
    *,
    targets: Any = None,
    loss: Loss | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    inputs: Shapes | None = None,
    samples: int = SAMPLES,
    batch_size: int | None = None,
    train: bool = True,
    compare: bool = False,
    steps: int = 30,
    seed: int = 0,
    report: Report | None = None,
    graph: ModelGraph | None = None,
    source: Source | None = None,
    table: Table | None = None,
) -> Probed:
    """What happens in ``model`` when it runs: per activation, norm and kernel, and the verdict.

    Nothing is left behind: weights, buffers, gradients, modes, hooks and generators are as before,
    also after an error.

    Args:
        model: any live module. It is probed where it lies, unless ``device`` says otherwise.
        batches: a tensor, a dict of keywords, a tuple (arguments, and targets last), a list or
            loader of those, a callable that gives one, or the path of a ``.pt`` or ``.npz`` file.
            Without it the inputs are N(0, 1) noise, and nothing is said about their scale.
        targets: the targets of a single batch.
        loss: ``loss(outputs, targets)`` or ``loss(outputs)``, a scalar. Without it the model's own
            ``loss`` output, else cross-entropy with random labels or a random projection.
        device: where to run; a copy of the model is moved there if it lies elsewhere.
        dtype: ``float16`` or ``bfloat16`` for autocast.
        inputs: shape of the noise, ``"1x3x32x32"`` or tuples; guessed without it.
        samples: read batches until there are so many. Fewer than 256 weaken "dead".
        batch_size: the size used in training, for ``norm-batch-noise``; a loader tells it.
        train: put a model that is in eval mode into train mode for the probe.
        compare: also measure without norms, with norms before and after each activation.
        steps: steps of gradient descent in that comparison.
        seed: for noise, labels and dropout.
        report: a static report on this model; ``BN301`` findings get their experiment.
        graph: the traced graph, for source lines.
        source: the file of the model, which may show what it is called with.
        table: layer table with the user's own rows.

    Raises
    ------
        ProbeError: the device is not there, the batch does not fit the model, has one sample, the
            loss is not finite, or the model has no activation that could be seen.

    """
    model = unwrapped(checked(model, batch_size, steps))
    wish = Wish(targets, inputs, samples, batch_size, train, compare, steps, report, graph, source)
    place = devices.resolve(device, model)
    live, moved = devices.placed(model, place)
    session = Session(
        live, place, devices.precision(dtype), Objective(loss, seed), table or builtin_table(), seed
    )
    if moved:
        session.note(moved)
    with untouched(live, place, batches), _mode(live, train):
        return showing(_probed(session, batches, wish))


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's module inside a compiled or a data-parallel wrapper."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, wrappers):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


@contextmanager
def _mode(model: nn.Module, train: bool) -> Iterator[None]:
    """Train mode for a model that is wholly in eval mode; else as the user set it."""
    if train and not model.training:
        with flags(model, lambda _: True):
            yield
    else:
        yield


def _probed(session: Session, given: Any, wish: Wish) -> ProbeResult:
    source, batches, observed = taken(session, given, wish)
    with unseen():
        result = _result(session, observed, source)
    result = _tried(session, result, batches, wish, observed)
    result = replace(result, notes=tuple(session.notes))
    findings = judged(result, places(session.model, wish.graph))
    return replace(result, report=Report(findings=findings, torch=torch.__version__))


def _result(session: Session, observed: Observed, source: str) -> ProbeResult:
    seen = observed.observer
    loss = sum(observed.losses) / len(observed.losses)
    return ProbeResult(
        model=type(session.model).__name__,
        device=str(session.device),
        dtype=str(session.dtype or torch.float32).removeprefix("torch."),
        samples=observed.samples,
        batches=len(observed.losses),
        source=source,
        objective=observed.objective,
        loss=loss if math.isfinite(loss) else None,
        activations=tuple(map(activation_stats, merged(seen.activations))),
        norms=norm_stats(merged_norms(seen.norms)),
        kernels=kernel_stats(seen.kernels.values()),
        not_observable=seen.not_observable,
    )


def _tried(
    session: Session, result: ProbeResult, batches: list[Batch], wish: Wish, observed: Observed
) -> ProbeResult:
    """The result with its extra experiments, each on the first batch."""
    first = batches[0]
    gap = _attempt(session, "train against eval", lambda: train_eval_gap(session, first))
    result = replace(result, gap=gap)
    size = wish.batch_size or (first.samples if len(batches) > 1 else None)
    if size is not None:
        pool = first if first.samples >= 2 * size else reading.joined(batches)
        noise = _attempt(session, "batch noise", lambda: batch_noise(session, pool, size))
        result = replace(result, batch_noise=noise, batch_size=size)
    layers = layers_to_measure("bias-effect", wish.report) if wish.report else []
    if layers:
        biases = _attempt(session, "biases", lambda: bias_effects(session, first, layers))
        result = replace(result, biases=biases or {})
    if wish.compare:
        comparison = _attempt(
            session, "the comparison", lambda: compared(session, first, observed, wish.steps)
        )
        result = replace(result, comparison=comparison)
    return result


def _attempt(session: Session, what: str, run: Callable[[], T]) -> T | None:
    """What an experiment found; None, with a note, where the model fails or memory runs out."""
    try:
        return run()
    except ProbeError as error:
        session.note(f"not measured: {what}: {error.mistakes[0].message}")
    except Exception as error:
        if not measure.out_of_memory(error):
            raise
        session.note(f"not measured: {what}: out of memory")
    return None
