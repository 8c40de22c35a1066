"""What goes wrong when the model is run again: other samples, evaluation, frozen parts."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ProbeResult
from bnlint.domain.trials import CallSite, Parting
from bnlint.probing.judging.metric import Number, Verdict, metric

NUMBERS: tuple[Number, ...] = ()

DROPOUTS = frozenset(
    ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
     "feature_dropout", "rrelu", "scaled_dot_product_attention", "multi_head_attention_forward")
)  # fmt: skip
"""Functions that are random in training only."""

STATISTICS = frozenset(("std", "var", "std_mean", "var_mean"))
"""Statistics over the batch that a model takes by hand, as minibatch discrimination does."""


def _at(parting: Parting | None) -> str:
    """The place where two runs first differ, in words."""
    at = parting.at if parting is not None else None
    if at is None:
        return ""
    inside = f" of `{at.layer}`" if at.layer else ""
    return f" It begins at {at.function}{inside}." if at.function else ""


@metric(
    "sample-leak",
    Severity.ERROR,
    definition="in eval mode: largest change of the first sample's outputs when the other samples "
    "of the batch change, divided by the root mean square of the outputs, where equal passes agree",
    default="over 1e-3; info if the model itself computes statistics over the batch, or if its "
    "layers have batch_first=False and its dimension 0 may be the sequence",
    leads_to=("unread-features", "gradient-vanishing", "gradient-explosion"),
    why="A prediction depends on the batch it is in: scores are wrong with another batch size, and "
    "training sees what evaluation does not.",
    remedy="Check the batch dimension there: batch_first=True for attention, another dim for "
    "softmax and normalize, positions added along the sequence",
    source="exact, by running the model twice",
)
def _sample_leak(result: ProbeResult) -> Iterator[Verdict]:
    leak = result.trials.leak
    if leak is None:
        return
    function = leak.at.function if leak.at is not None else ""
    by_hand = function in STATISTICS
    meant = " That is as it should be if dimension 0 of the input is the sequence."
    yield Verdict(
        leak.at,
        Severity.INFO if by_hand or leak.sequence else Severity.ERROR,
        f"In eval mode the output of a sample changes by {leak.change:.2g} (of the root mean "
        f"square) with the other samples of its batch.{_at(leak)}{meant * leak.sequence}",
        {"change": leak.change},
    )


@metric(
    "random-in-eval",
    Severity.WARNING,
    definition="largest difference between two equal passes in eval mode, divided by the root mean "
    "square of the outputs",
    default="over 1e-4; info if the forward itself draws random numbers (a sampled latent)",
    why="Predictions are not reproducible, and worse than they could be.",
    remedy="Pass training=self.training to F.dropout (dropout_p=0 to attention in eval mode), or "
    "build nn.Dropout in __init__",
    source="exact, by running the model twice",
)
def _random_in_eval(result: ProbeResult) -> Iterator[Verdict]:
    found = result.trials.random
    if found is None:
        return
    function = found.at.function if found.at is not None else ""
    dropout = function in DROPOUTS
    yield Verdict(
        found.at,
        Severity.WARNING if dropout else Severity.INFO,
        f"Two equal passes in eval mode differ by {found.change:.2g} (of the root mean square)."
        f"{_at(found)}",
        {"change": found.change},
        "" if dropout else "Nothing, if the model samples by design; else draw in training only",
    )


@metric(
    "first-evaluation",
    Severity.WARNING,
    definition="standard deviation of the outputs in eval mode after one training forward, divided "
    "by that before it, with unchanged weights; batch norms with a momentum stay as they are",
    default="a factor of 10, up or down",
    why="A state that only training forwards set is wrong in the first evaluation: a checkpoint of "
    "the initial model, or a sanity check before training, gives other results.",
    remedy="Use torch.nn.utils.parametrizations.spectral_norm instead of the old spectral_norm, "
    "set a momentum, or run one batch in train mode first",
    source="exact, by running the model",
)
def _first_evaluation(result: ProbeResult) -> Iterator[Verdict]:
    ratio = result.trials.first_evaluation
    if ratio is None or 0.1 <= ratio <= 10:
        return
    at = result.trials.first_evaluation_at
    yield Verdict(
        at,
        Severity.WARNING,
        f"One training forward changes the scale of the outputs in eval mode by a factor of "
        f"{ratio:.2g}, although the weights stay the same.{_at(Parting(ratio, at))}",
        {"ratio": ratio},
    )


@metric(
    "batch-of-one",
    Severity.WARNING,
    definition="in eval mode, a single sample raises an error, or its output has another number of "
    "dimensions than that of three samples",
    default="in every case",
    why="The last batch of an epoch, or a single request in production, fails or is misread.",
    remedy="Name the dimension to squeeze: squeeze(1) or squeeze(-1) instead of squeeze()",
    source="exact, by running the model",
)
def _batch_of_one(result: ProbeResult) -> Iterator[Verdict]:
    alone = result.trials.alone
    if alone is None:
        return
    said = (
        f"A single sample raises an error in eval mode: {alone.error}"
        if alone.error
        else f"For a single sample the output has the shape {alone.one}, for three {alone.three}: "
        "the batch dimension is lost"
    )
    yield Verdict(None, Severity.WARNING, said)


def _listed(spots: tuple[CallSite, ...]) -> str:
    names = ", ".join(f"`{s.layer}`" for s in spots[:3])
    return names + (f" and {len(spots) - 3} more" if len(spots) > 3 else "")


@metric(
    "statistics-updated-twice",
    Severity.WARNING,
    definition="whether num_batches_tracked of a batch norm rises during the backward",
    default="in every case",
    why="Checkpointing runs the forward again in the backward: statistics are updated twice a "
    "step, with a momentum that is larger than it looks.",
    remedy="Keep batch norms out of torch.utils.checkpoint, or set their momentum to "
    "1 - sqrt(1 - momentum)",
    source="exact, by counting; torch.utils.checkpoint",
)
def _twice(result: ProbeResult) -> Iterator[Verdict]:
    if result.trials.twice:
        yield Verdict(
            result.trials.twice[0],
            Severity.WARNING,
            f"The statistics of {_listed(result.trials.twice)} are updated twice a step: once in "
            "the forward and once in the backward",
            {"norms": len(result.trials.twice)},
        )


@metric(
    "frozen-norm-moves",
    Severity.WARNING,
    definition="after model.train(), a norm with frozen weights (requires_grad=False) updates its "
    "running statistics",
    default="in every case",
    why="A backbone that is frozen changes all the same: its statistics move to the new data.",
    remedy="Override train() so that the frozen part stays in eval mode, or use FrozenBatchNorm2d",
    source="exact, by comparing the statistics before and after a forward",
)
def _moving(result: ProbeResult) -> Iterator[Verdict]:
    if result.trials.moving:
        count = len(result.trials.moving)
        yield Verdict(
            result.trials.moving[0],
            Severity.WARNING,
            f"The weights of {_listed(result.trials.moving)} are frozen, but "
            f"{'its' if count == 1 else 'their'} running statistics move in train mode",
            {"norms": count},
        )


@metric(
    "frozen-part",
    Severity.INFO,
    definition="the output layer is frozen while layers before it train, or train() changes "
    "requires_grad",
    default="in every case: info",
    begins="backward",
    why="It is rarely meant: the head is what a new task needs.",
    remedy="Freeze before training, and leave the new head trainable",
    source="exact, by reading requires_grad",
)
def _frozen_part(result: ProbeResult) -> Iterator[Verdict]:
    end, switched = result.trials.frozen_end, result.trials.switched
    if end is not None:
        said = f"The last layer, `{end.layer}`, is frozen while layers before it train"
        yield Verdict(end, Severity.INFO, said)
    if switched:
        said = f"train() changes requires_grad of {switched} parameters"
        yield Verdict(None, Severity.INFO, said, {"parameters": switched})
