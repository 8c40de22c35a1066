"""What goes wrong at norms: constant channels, statistics that do not fit, single values."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import percent
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import NormStats
from bnlint.probing.judging.metric import BACKWARD, Number, Verdict, metric, named

N = NormStats

BATCH = ("batchnorm", "batchnorm1d", "batchnorm2d", "batchnorm3d", "syncbatchnorm")
"""Norms that use running statistics in evaluation."""

SETTLED = 100
"""Running statistics are judged after this number of batches."""

NUMBERS = (
    Number(N, "mean", "mean of what enters", "mean", width=10),
    Number(N, "std", "standard deviation of what enters", "std", "deviation"),
    Number(
        N,
        "low_variance",
        "share of channels (or groups) that are nearly constant",
        "low variance",
        share=True,
    ),
    Number(
        N,
        "drift_mean",
        "running mean - batch mean, in standard deviations",
        "drift of mean",
        page="drift of mean (sigma)",
        text="{:.2g} sigma".format,
        width=15,
        value=lambda n: n.drift_mean if n.tracked else None,
        logged=True,
    ),
    Number(
        N,
        "drift_variance",
        "log2 of running variance / batch variance",
        "of variance",
        page="drift of variance (log2)",
        text=lambda value: f"{2**value:.2g}x",
        width=13,
        value=lambda n: n.drift_variance if n.tracked else None,
        logged=True,
    ),
)


@metric(
    "norm-low-variance",
    Severity.WARNING,
    definition="share of a norm's channels whose variance over the batch is under ten times eps "
    "(under eps, where that is 1e-4 or more); for group, layer and instance norms, share of the "
    "groups of a sample",
    default="over 25 %; info on random noise, and not judged after a global pooling of it",
    leads_to=("norm-low-variance", *BACKWARD),
    why="eps decides the scale of such channels, so their variance after the norm is below 1.",
    remedy="Check whether the channels are constant, or use a smaller eps.",
    source="Ioffe and Szegedy 2015, arXiv:1502.03167: eps then sets the scale",
)
def _low_variance(result: ProbeResult) -> Iterator[Verdict]:
    for n in result.norms:
        own = n.batch_statistics or n.kind not in BATCH
        flat = n.pooled and result.source == "synthetic"
        if own and not flat and n.low_variance > 0.25:
            yield Verdict(
                n,
                Severity.INFO if result.source == "synthetic" else Severity.WARNING,
                f"{percent(n.low_variance)} of what {named(n)} normalizes is almost constant: "
                f"the variance is that small that eps ({n.eps:.0e}) decides the scale",
                {"low-variance": n.low_variance, "eps": n.eps},
            )


@metric(
    "norm-drift",
    Severity.WARNING,
    definition="median over channels of abs(running mean - batch mean) / sigma, and of "
    "abs(log2(running variance / batch variance)); synthetic inputs are not judged",
    default="if the first is over 0.5 or the second over 1, once 100 batches were tracked; also "
    "for statistics that were never tracked, in a model that was trained",
    why="Evaluation normalizes with statistics of other data than this.",
    remedy="Check that preprocessing is the same as in training, or update the statistics.",
    source="Ioffe and Szegedy 2015; Singh and Shrivastava 2019, EvalNorm, arXiv:1904.06031",
)
def _drift(result: ProbeResult) -> Iterator[Verdict]:
    if result.source == "synthetic":
        return
    for n in result.norms:
        if n.drift_mean is None or n.drift_variance is None or not _judged(n, result):
            continue
        if not (n.drift_mean > 0.5 or n.drift_variance > 1):
            continue
        yield Verdict(
            n,
            Severity.WARNING,
            f"The running statistics of {named(n)} do not fit this data: means are "
            f"{n.drift_mean:.2g} sigma off, variances by a factor of {2**n.drift_variance:.2g}"
            + ("" if n.tracked else "; no batch was ever tracked"),
            {"drift-mean": n.drift_mean, "drift-variance": n.drift_variance, "tracked": n.tracked},
        )


def _settled(n: NormStats) -> bool:
    return n.tracked is not None and n.tracked >= SETTLED


def _judged(n: NormStats, result: ProbeResult) -> bool:
    """Settled, or never tracked although the norm, or another one, was trained."""
    trained = n.learned or any(map(_settled, result.norms))
    return _settled(n) or (not n.tracked and trained)


@metric(
    "norm-batch-noise",
    Severity.INFO,
    definition="how much a sample's output changes with the other samples of its batch: root mean "
    "square, divided by the spread between samples; at the batch size of training, dropout off",
    default="over 25 %: info",
    why="The loss of a sample depends on its batch, which adds noise to the gradient.",
    remedy="Use larger batches, or a norm that does not depend on the batch (GroupNorm).",
    source="Luo et al. 2019, Towards Understanding Regularization in Batch Normalization, "
    "arXiv:1809.00846",
)
def _batch_noise(result: ProbeResult) -> Iterator[Verdict]:
    if result.batch_noise is not None and result.batch_noise > 0.25:
        yield Verdict(
            None,
            Severity.INFO,
            f"With batches of {result.batch_size} the outputs of a sample change by "
            f"{percent(result.batch_noise)} of their spread when the rest of the batch changes",
            {"batch-noise": result.batch_noise, "batch-size": result.batch_size},
        )


@metric(
    "norm-batch-of-one",
    Severity.INFO,
    definition="a batch norm that sees one value per channel and sample, which raises an error for "
    "a batch of one in training",
    default="in every case",
    why="A batch of one sample has no variance, so batch_norm raises an error.",
    remedy="Pass drop_last=True to the DataLoader.",
    source="torch.nn.functional.batch_norm",
)
def _batch_of_one(result: ProbeResult) -> Iterator[Verdict]:
    for n in result.norms:
        if n.batch_statistics and n.values_per_sample == 1:
            yield Verdict(
                n,
                Severity.INFO,
                f"{named(n)} sees one value per channel and sample, so a batch of one sample "
                "raises an error in training",
                {"values-per-sample": 1},
            )
            return


@metric(
    "train-eval-gap",
    Severity.WARNING,
    definition="the same batch in train and eval mode, dropout off: change of the outputs "
    "divided by their spread, and relative change of the loss; synthetic inputs are not judged",
    default="if both are over 50 %, once a norm has tracked 100 batches",
    why="What was measured in training says little about evaluation.",
    remedy="Check the running statistics of the norms, and what else reads self.training.",
    source="Summers and Dinneen 2020, Four Things Everyone Should Know to Improve Batch "
    "Normalization, arXiv:1906.03548",
)
def _train_eval_gap(result: ProbeResult) -> Iterator[Verdict]:
    gap = result.gap
    if gap is None or result.source == "synthetic" or not any(map(_settled, result.norms)):
        return
    if gap.output > 0.5 and gap.loss > 0.5:
        yield Verdict(
            None,
            Severity.WARNING,
            f"The model behaves differently in eval mode: outputs change by "
            f"{percent(gap.output)} of their spread and the loss by {percent(gap.loss)}, "
            "with dropout off in both",
            {"output": gap.output, "loss": gap.loss},
        )
