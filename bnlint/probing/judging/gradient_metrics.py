"""What goes wrong with scale: gradients that vanish or explode, values that leave their range."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ActivationStats, KernelStats, ProbeResult, ends
from bnlint.probing.judging.metric import Number, Verdict, metric

GROWTH = 1.21
"""The factor by which one layer with batch norm multiplies the gradient at initialization."""

HALF_MAX = 65504.0
"""The largest finite float16."""

NUMBERS = (
    Number(KernelStats, "weight_norm", "Euclidean norm of the weight", page="norm of weight"),
    Number(KernelStats, "gradient", "Euclidean norm of its gradient", page="norm of gradient"),
    Number(KernelStats, "ratio", "gradient / weight_norm", page="gradient over weight"),
)

RATIO = (
    "norm(gradient) / norm(weight) of the first kernel over that of the last; a ratio (of kernels "
    "that read the same tensor, as query, key and value do, the largest counts)"
)


@metric(
    "gradient-vanishing",
    Severity.ERROR,
    definition=RATIO,
    default="under 1e-3 a warning, under 1e-6 or exactly 0 an error",
    why="The first layers hardly change in training.",
    remedy="Use norms, skip connections, or an initialization that fits the activation.",
    source="Glorot and Bengio 2010; thresholds from own measurements on healthy nets",
)
def _gradient_vanishing(result: ProbeResult) -> Iterator[Verdict]:
    found, ratio = ends(result.kernels), result.gradient_ratio
    if found is None or ratio is None or not ratio < 1e-3:
        return
    first, last = found
    exactly = " (exactly zero)" if ratio == 0 else ""
    yield Verdict(
        first,
        Severity.ERROR if ratio < 1e-6 else Severity.WARNING,
        f"the gradient vanishes on its way from {last.layer} to {first.layer}: relative to the "
        f"weights it is {ratio:.1e} of what it was{exactly}",
        {"ratio": ratio, "first": first.ratio, "last": last.ratio},
    )


@metric(
    "gradient-explosion",
    Severity.WARNING,
    definition=RATIO,
    default="over 70; with batch norms at half of the activations or more, over 10 x 1.21^kernels",
    why="A learning rate that suits the last layers makes the first ones diverge.",
    remedy="Use a smaller learning rate, gradient clipping, or a smaller initialization.",
    source="Yang et al. 2019, A Mean Field Theory of Batch Normalization, arXiv:1902.08129",
)
def _gradient_explosion(result: ProbeResult) -> Iterator[Verdict]:
    found, ratio = ends(result.kernels), result.gradient_ratio
    if found is None or ratio is None or not ratio > limit(result):
        return
    first, last = found
    yield Verdict(
        first,
        Severity.WARNING,
        f"the gradient explodes on its way from {last.layer} to {first.layer}: relative to the "
        f"weights it grows {ratio:.3g} times",
        {"ratio": ratio, "limit": limit(result)},
    )


def limit(result: ProbeResult) -> float:
    """The ratio above which growth is called an explosion: higher if batch norms explain some."""
    batch = sum(n.batch_statistics for n in result.norms)
    if 2 * batch < len(result.activations):
        return 70.0
    return max(70.0, 10 * GROWTH ** len(result.kernels))


@metric(
    "non-finite",
    Severity.ERROR,
    definition="inf or nan in a pre-activation or in the gradient at it",
    default="any",
    why="inf and nan spread to all weights with the next step.",
    remedy="Look at what comes before the layer: a division, a logarithm, a weight that is inf.",
    source="IEEE 754",
)
def _non_finite(result: ProbeResult) -> Iterator[Verdict]:
    """An error where it began: the first layer in the forward, the last for gradients."""
    forward = [a for a in result.activations if not a.finite]
    backward = [a for a in result.activations if not a.gradient_finite]
    if forward:
        yield _infinite(forward[0], "what enters", forward)
    elif backward:
        yield _infinite(backward[-1], "the gradient at", backward)


def _infinite(where: ActivationStats, what: str, all_: list[ActivationStats]) -> Verdict:
    return Verdict(
        where,
        Severity.ERROR,
        f"{what} {where.layer} holds inf or nan; it is the first of {len(all_)} such layers",
        {"layers": len(all_), "largest": where.largest},
    )


@metric(
    "half-headroom",
    Severity.ERROR,
    definition="65504 over the largest absolute pre-activation; only where it is in float16",
    default="under 8 a warning, 1 or under an error",
    why="A slightly larger input overflows to inf.",
    remedy="Use bfloat16, or scale the signal down.",
    source="the largest finite float16, IEEE 754",
)
def _half_headroom(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.dtype != "float16" or a.largest <= 0:
            continue
        headroom = HALF_MAX / a.largest if a.finite else 0.0
        if headroom < 8:
            yield Verdict(
                a,
                Severity.ERROR if headroom <= 1 else Severity.WARNING,
                f"what enters {a.layer} reaches {a.largest:.3g}: float16 ends at 65504, a factor "
                f"of {headroom:.2g} away",
                {"headroom": headroom, "largest": a.largest},
            )
