"""What happens at norms: constant channels, statistics that do not fit, single values."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import NormStats, ProbeResult
from bnlint.probing.judging.metrics.kinds import Metric, Verdict, percent

SETTLED = 100
"""Running statistics mean something once so many batches went in."""


def _low_variance(result: ProbeResult) -> Iterator[Verdict]:
    for n in result.norms:
        if n.batch_statistics and n.low_variance > 0.25:
            yield Verdict(
                n.layer,
                Severity.WARNING,
                f"{percent(n.low_variance)} of the {n.channels} channels that enter {n.layer} are "
                f"almost constant: their variance is under ten eps ({10 * n.eps:.0e})",
                {"low-variance": n.low_variance, "eps": n.eps},
            )


def settled(n: NormStats) -> bool:
    """True once the running statistics had time to settle."""
    return n.tracked is not None and n.tracked >= SETTLED


def _drift(result: ProbeResult) -> Iterator[Verdict]:
    if result.source == "synthetic":
        return
    for n in result.norms:
        if n.drift_mean is None or n.drift_variance is None or not settled(n):
            continue
        if not (n.drift_mean > 0.5 or n.drift_variance > 1):
            continue
        yield Verdict(
            n.layer,
            Severity.WARNING,
            f"the running statistics of {n.layer} do not fit this data: means are "
            f"{n.drift_mean:.2g} sigma off, variances by a factor of {2**n.drift_variance:.2g}",
            {"drift-mean": n.drift_mean, "drift-variance": n.drift_variance, "tracked": n.tracked},
        )


def _batch_of_one(result: ProbeResult) -> Iterator[Verdict]:
    for n in result.norms:
        if n.batch_statistics and n.values_per_sample == 1:
            yield Verdict(
                n.layer,
                Severity.INFO,
                f"{n.layer} sees one value per channel and sample, so a batch of one sample "
                "raises in training: drop the last batch of a loader if it may be that small",
                {"values-per-sample": 1},
            )
            return


LOW_VARIANCE = Metric(
    "norm-low-variance",
    "share of channels whose variance over the batch is under ten eps",
    "over .25 of a norm",
    "Ioffe and Szegedy 2015, arXiv:1502.03167: eps then sets the scale",
    _low_variance,
)
DRIFT = Metric(
    "norm-drift",
    "median over channels of abs(running mean - batch mean) / sigma, and of abs(log2(running "
    "variance / batch variance)); synthetic inputs are not judged",
    "over .5 or over 1, once 100 batches were tracked",
    "Ioffe and Szegedy 2015; Singh and Shrivastava 2019, EvalNorm, arXiv:1904.06031",
    _drift,
)
BATCH_OF_ONE = Metric(
    "norm-batch-of-one",
    "a batch norm with one value per channel and sample, which raises for one sample in training",
    "any",
    "torch.nn.functional.batch_norm",
    _batch_of_one,
)
