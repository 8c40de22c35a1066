"""What shows only in the outputs of the whole model."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ProbeResult
from bnlint.probing.judging.metrics.kinds import Metric, Verdict, percent
from bnlint.probing.judging.metrics.norms import settled


def _batch_noise(result: ProbeResult) -> Iterator[Verdict]:
    if result.batch_noise is not None and result.batch_noise > 0.25:
        yield Verdict(
            "",
            Severity.INFO,
            f"with batches of {result.batch_size} the outputs of a sample change by "
            f"{percent(result.batch_noise)} of their spread with the company it is in",
            {"batch-noise": result.batch_noise, "batch-size": result.batch_size},
        )


def _train_eval_gap(result: ProbeResult) -> Iterator[Verdict]:
    gap = result.gap
    if gap is None or result.source == "synthetic":
        return
    if not any(settled(n) for n in result.norms):
        return
    if gap.output > 0.5 and gap.loss > 0.5:
        yield Verdict(
            "",
            Severity.WARNING,
            f"the model behaves differently in eval mode: outputs change by "
            f"{percent(gap.output)} of their spread and the loss by {percent(gap.loss)}, "
            "with dropout off in both",
            {"output": gap.output, "loss": gap.loss},
        )


BATCH_NOISE = Metric(
    "norm-batch-noise",
    "change of a sample's output when its batch is put together otherwise, root mean square over "
    "the spread between samples; at the user's batch size, dropout off",
    "over .25, information",
    "Luo et al. 2019, Towards Understanding Regularization in Batch Normalization, "
    "arXiv:1809.00846",
    _batch_noise,
)
TRAIN_EVAL_GAP = Metric(
    "train-eval-gap",
    "the same batch in train and eval mode, dropout off: change of the outputs over their spread, "
    "and relative change of the loss; synthetic inputs are not judged",
    "over .5 and over 50 %, once a norm tracked 100 batches",
    "Summers and Dinneen 2020, Four Things Everyone Should Know to Improve Batch Normalization, "
    "arXiv:1906.03548",
    _train_eval_gap,
)
