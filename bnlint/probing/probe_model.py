"""The public probe, top to bottom: place, read, observe, try out, compare, judge."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bnlint.domain.errors import ProbeError
from bnlint.domain.finding import Report
from bnlint.domain.graph import ModelGraph
from bnlint.domain.probe import ProbeResult
from bnlint.layers.table import Table, builtin_table
from bnlint.loading.parsing import Source
from bnlint.probing.given import placing
from bnlint.probing.given.batches import Batch, joined
from bnlint.probing.given.noise import Shapes, Wish, batches_for
from bnlint.probing.judging.evidence import calls_to_measure
from bnlint.probing.judging.findings import judged
from bnlint.probing.observation import Observed, agreed, gathered, observe
from bnlint.probing.observing.readings import unseen
from bnlint.probing.observing.summarise import measured
from bnlint.probing.session import Loss, Session
from bnlint.probing.showing import Probed, showing
from bnlint.probing.trying.comparison import compared
from bnlint.probing.trying.experiments import batch_noise, bias_effects, train_eval_gap
from bnlint.probing.trying.trials_of import Attempts, fresh, inputs_of, tried
from bnlint.probing.untouched import Untouched


def probe(
    model: nn.Module,
    batches: Any = None,
    *,
    targets: Any = None,
    loss: Loss | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    inputs: Shapes | None = None,
    samples: int | None = None,
    batch_size: int | None = None,
    train: bool = True,
    compare: bool = False,
    steps: int = 30,
    seed: int = 0,
    report: Report | None = None,
    graph: ModelGraph | None = None,
    source: Source | None = None,
    table: Table | None = None,
    untrained: bool = False,
) -> Probed:
    """What happens in ``model`` when it runs: per activation, norm and kernel, and the findings.

    Nothing is left behind: weights, buffers, gradients, modes, hooks and generators are as before,
    also after an error.

    Parameters
    ----------
    model
        Any live module. It is probed on its own device unless ``device`` names another.
    batches
        A tensor, a dict of keywords, a tuple (arguments, and targets last), a list or loader of
        those, a callable that returns one, or the path of a ``.pt`` or ``.npz`` file. Without it
        the inputs are N(0, 1) noise, and their scale is not judged.
    targets
        The targets of a single batch.
    loss
        ``loss(outputs, targets)`` or ``loss(outputs)``, a scalar. Without it the model's own
        ``loss`` output, else cross-entropy with random labels or a random projection.
    device
        Where to run; a copy of the model is moved there if it is elsewhere.
    dtype
        ``float16`` or ``bfloat16`` for autocast.
    inputs
        The shape of the noise, ``"1x3x32x32"`` or tuples; guessed without it.
    samples
        How many samples to read; without it 256, of noise for a large model fewer. With fewer than
        256, units are not called dead.
    batch_size
        The size used in training, for ``norm-batch-noise``; by default that of the loader.
    train
        Whether a model that is in eval mode is put into train mode for the probe.
    compare
        Also measures without norms, with norms before and after each activation.
    steps
        Steps of gradient descent in that comparison.
    seed
        For noise, labels and dropout.
    report
        A static report on this model; the biases of its redundant-bias findings are tried out.
    graph
        The traced graph, for source lines.
    source
        The file of the model, which may show what it is called with.
    table
        The table of layers with the user's own rows.
    untrained
        Whether the weights are known to be initial ones, so that the first loss can be judged.

    Raises
    ------
    ProbeError
        The device is not available, the batch does not fit the model, or it has one sample.

    """
    model = placing.unwrapped(_checked(model, batch_size, steps))
    wish = Wish(
        *(targets, inputs, samples, batch_size, compare, steps, report, graph, source, untrained)
    )
    place = placing.resolve(device, model)
    live, moved = placing.placed(model, place)
    precision = placing.precision(dtype)
    session = Session(live, place, precision, loss, table or builtin_table(), seed)
    session.notes += [moved] if moved else []
    with Untouched(session.watched, place, batches) as kept:
        if train:
            session.switched = _put_into_train_mode(live)
        result = _probed(session, batches, wish)
    return showing(replace(result, notes=(*result.notes, *kept.notes)))


def _checked(model: nn.Module, batch_size: int | None, steps: int) -> nn.Module:
    if not isinstance(model, nn.Module):
        kind = type(model).__name__
        raise ProbeError(f"a {kind} is not a model", hint="pass a torch.nn.Module instance")
    if batch_size is not None and batch_size < 1:
        raise ProbeError(f"batch_size={batch_size}: it must be 1 or more")
    if steps < 0:
        raise ProbeError(f"steps={steps}: it cannot be negative")
    return model


def _put_into_train_mode(model: nn.Module) -> int:
    """Calls the model's own ``train()``, which may spare parts of it; what it froze or thawed.

    Where only some parts are in eval mode, the user has chosen them.
    """
    modes = {m.training for m in model.modules()}
    if len(modes) > 1 and model.training:
        return 0
    before = [p.requires_grad for p in model.parameters()]
    try:
        model.train()
    except NotImplementedError:  # an exported model is what it is
        return 0
    after = [p.requires_grad for p in model.parameters()]
    return sum(a != b for a, b in zip(before, after, strict=False))


def _probed(session: Session, given: Any, wish: Wish) -> ProbeResult:
    source, batches = agreed(lambda: batches_for(session, given, wish))
    try:
        seen = agreed(lambda: _seen(session, batches))
    except ProbeError as error:
        return _without_forward(session, batches[0], source, wish, error)
    observed = gathered(session, seen)
    loss = sum(observed.losses) / len(observed.losses)
    with unseen():
        result = measured(
            session.model,
            observed.observer,
            device=str(session.device),
            dtype=str(session.dtype or torch.float32).removeprefix("torch."),
            samples=observed.samples,
            batches=len(observed.losses),
            source=source,
            objective=observed.objective,
            loss=loss if math.isfinite(loss) else None,
        )
    size = wish.batch_size or _batch_size(source, batches)
    found = _tried(session, batches, wish, observed, size)
    result = replace(result, **found, notes=tuple(session.notes), untrained=wish.untrained)
    findings = judged(result, type(session.model), wish.graph)
    return replace(result, report=Report(findings=findings, torch=torch.__version__))


def _without_forward(
    session: Session, batch: Batch, source: str, wish: Wish, error: ProbeError
) -> ProbeResult:
    """What the inputs alone show where the forward fails; the error itself if they are fine."""
    first = batch.on(session.device)
    result = ProbeResult(
        *(type(session.model).__name__, str(session.device), "float32", batch.samples, 1, source),
        *("nothing: the forward fails", None, (), (), ()),
        inputs=inputs_of(first, None, ()),
        notes=(*session.notes, error.mistakes[0].message),
    )
    findings = judged(result, type(session.model), wish.graph)
    if not any(f.name == "input-layout" for f in findings):
        raise error
    return replace(result, report=Report(findings=findings, torch=torch.__version__))


def _seen(session: Session, batches: list[Batch]) -> Observed:
    if any(is_lazy(p) for p in session.model.parameters()):
        session.forward(batches[0].on(session.device))  # its layers get their sizes
    session.reseed()
    with fresh(session):
        observed = observe(session, batches)
    if session.scale > 1 and _overflown(observed):
        session.scale = 1.0
        session.note("gradients overflow float16 at a scale of 1024: the loss is not scaled")
        session.reseed()
        with fresh(session):
            observed = observe(session, batches)
    return observed


def _overflown(observed: Observed) -> bool:
    """True where gradients are not finite although all that ran forward is."""
    seen = observed.observer
    gradients = [n for k in seen.kernels.values() for n in k.norms]
    gradients += [g for r in seen.activations for g in r.gradients]
    return _finite(r.maximum for r in seen.activations) and not _finite(gradients)


def _finite(values: Iterable[Tensor]) -> bool:
    return all(bool(x.isfinite().all()) for x in values)


def _tried(
    session: Session, batches: list[Batch], wish: Wish, observed: Observed, size: int | None
) -> dict[str, Any]:
    """What extra experiments found, each on the first batch, as fields of the result."""
    first, attempt = batches[0].part(slice(session.fits)), Attempts(session)
    found = tried(attempt, first, _sound(observed))
    found["gap"] = attempt("train against eval", lambda: train_eval_gap(session, first))
    if size is not None:
        pool = first if first.samples >= 2 * size else joined(batches)
        found["batch_size"] = size
        found["batch_noise"] = attempt("batch noise", lambda: batch_noise(session, pool, size))
    kernels = calls_to_measure("bias-effect", wish.report) if wish.report else []
    if kernels:
        found["biases"] = attempt("biases", lambda: bias_effects(session, first, kernels)) or {}
    if wish.compare:
        found["comparison"] = attempt(
            "the comparison", lambda: compared(session, first, observed, wish.steps)
        )
    attempt.note()
    found["trials"] = replace(found["trials"], seconds=attempt.seconds)
    return found


def _batch_size(source: str, batches: list[Batch]) -> int | None:
    """The size of a loader's batches; None for noise, and for a single batch."""
    return batches[0].samples if len(batches) > 1 and source != "synthetic" else None


def _sound(observed: Observed) -> bool:
    """Whether outputs, losses and gradients are finite."""
    seen = observed.observer
    gradients = [n for k in seen.kernels.values() for n in k.norms]
    gradients += [g for r in seen.activations for g in r.gradients]
    losses = all(map(math.isfinite, observed.losses))
    return observed.outputs_finite and losses and _finite(gradients)
