"""How the gradient changes from the last kernel to the first."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ProbeResult, ends
from bnlint.probing.judging.metrics.kinds import Metric, Verdict

GROWTH = 1.21
"""What one layer with batch norm multiplies the gradient by at initialisation."""


def _vanishing(result: ProbeResult) -> Iterator[Verdict]:
    found, ratio = ends(result.kernels), result.gradient_ratio
    if found is None or ratio is None or not ratio < 1e-3:
        return
    first, last = found
    exactly = " (exactly zero)" if ratio == 0 else ""
    yield Verdict(
        first.layer,
        Severity.ERROR if ratio < 1e-6 else Severity.WARNING,
        f"the gradient vanishes on its way from {last.layer} to {first.layer}: relative to the "
        f"weights it is {ratio:.1e} of what it was{exactly}",
        {"ratio": ratio, "first": first.ratio, "last": last.ratio},
    )


def _explosion(result: ProbeResult) -> Iterator[Verdict]:
    found, ratio = ends(result.kernels), result.gradient_ratio
    if found is None or ratio is None or not ratio > limit(result):
        return
    first, last = found
    yield Verdict(
        first.layer,
        Severity.WARNING,
        f"the gradient explodes on its way from {last.layer} to {first.layer}: relative to the "
        f"weights it grows {ratio:.3g} times",
        {"ratio": ratio, "limit": limit(result)},
    )


def limit(result: ProbeResult) -> float:
    """The ratio above which growth is called an explosion: more where batch norms explain some."""
    batch = sum(n.batch_statistics for n in result.norms)
    if 2 * batch < len(result.activations):
        return 70.0
    return max(70.0, 10 * GROWTH ** len(result.kernels))


VANISHING = Metric(
    "gradient-vanishing",
    "norm(gradient) / norm(weight) of the first kernel over that of the last; a ratio (of kernels "
    "that read the same tensor, as query, key and value do, the largest counts)",
    "under 1e-3 a warning, under 1e-6 or exactly 0 an error",
    "Glorot and Bengio 2010; thresholds from own measurements on healthy nets",
    _vanishing,
)
EXPLOSION = Metric(
    "gradient-explosion",
    "norm(gradient) / norm(weight) of the first kernel over that of the last; a ratio (of kernels "
    "that read the same tensor, as query, key and value do, the largest counts)",
    "over 70; with batch norms at half of the activations or more, over 10 x 1.21^kernels",
    "Yang et al. 2019, A Mean Field Theory of Batch Normalization, arXiv:1902.08129",
    _explosion,
)
