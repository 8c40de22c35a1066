"""What happens at activations: stuck units, collapsing signals, numbers that overflow."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ActivationStats, ProbeResult
from bnlint.probing.judging.metrics.kinds import ENOUGH, Metric, Verdict, percent

HALF_MAX = 65504.0
"""The largest finite float16."""


def _dead_layer(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.dead == 1.0 and a.samples >= ENOUGH and a.finite:
            yield Verdict(
                a.layer,
                Severity.ERROR,
                f"every one of the {a.units} units of {a.layer} is dead: no input of "
                f"{a.samples} samples exceeds {a.maximum:.3g} and no gradient passes",
                {"dead": 1.0, "maximum": a.maximum, "samples": a.samples},
            )


def _dead_units(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.dead is None or a.dead <= 0.25 or (a.dead == 1.0 and a.samples >= ENOUGH):
            continue
        enough = a.samples >= ENOUGH
        word = "dead" if enough else "inactive on these few samples"
        severity = Severity.WARNING if a.dead > 0.5 and enough else Severity.INFO
        yield Verdict(
            a.layer,
            severity,
            f"{percent(a.dead)} of the {a.units} units of {a.layer} are {word}: their input is "
            f"in the zero region on all {a.samples} samples",
            {"dead": a.dead, "samples": a.samples},
        )


def _frozen_units(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        frozen = a.frozen
        if frozen is None or a.always_on is None or frozen < 0.9 or a.dead == 1.0:
            continue
        if a.samples < ENOUGH:
            continue
        yield Verdict(
            a.layer,
            Severity.WARNING,
            f"{percent(frozen)} of the {a.units} units of {a.layer} never switch "
            f"({percent(a.dead or 0)} dead, {percent(a.always_on)} always on), so it is linear",
            {"frozen": frozen, "dead": a.dead, "always-on": a.always_on},
        )


def _signal_collapse(result: ProbeResult) -> Iterator[Verdict]:
    """Only the first layer of a run of collapsed ones is named: the others follow from it."""
    found = [(a, a.signal) for a in result.activations if a.finite and a.signal is not None]
    collapsed = [(a, signal) for a, signal in found if signal < 1e-2]
    if not collapsed:
        return
    first, signal = collapsed[0]
    worst, least = min(collapsed, key=lambda pair: pair[1])
    severity = Severity.ERROR if least < 1e-4 else Severity.WARNING
    worse = f", {least:.1e} at {worst.layer}" if worst is not first else ""
    rest = f", and of {len(collapsed) - 1} more activations" if len(collapsed) > 1 else ""
    yield Verdict(
        first.layer,
        severity,
        f"the samples hardly differ any more at the input of {first.layer}{rest}: their spread is "
        f"{signal:.1e} of the signal{worse}",
        {"signal": signal, "worst": least, "layers": len(collapsed)},
    )


def _inactive_share(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.inactive is not None and a.inactive > 0.9 and (a.dead or 0) <= 0.25:
            yield Verdict(
                a.layer,
                Severity.INFO,
                f"{percent(a.inactive)} of the values that enter {a.layer} are in its inactive "
                "region (sparse, which by itself is neither good nor bad)",
                {"inactive": a.inactive},
            )


def _saturation(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.saturated is not None and a.saturated > 0.5 and not a.at_output:
            yield Verdict(
                a.layer,
                Severity.WARNING,
                f"{percent(a.saturated)} of the values that enter {a.layer} are where its slope "
                "is under a tenth of the steepest",
                {"saturated": a.saturated},
            )


def _non_finite(result: ProbeResult) -> Iterator[Verdict]:
    """The first layer in the forward, and the last for gradients: where it began."""
    forward = [a for a in result.activations if not a.finite]
    backward = [a for a in result.activations if not a.gradient_finite]
    if forward:
        yield _infinite(forward[0], "what enters", forward)
    elif backward:
        yield _infinite(backward[-1], "the gradient at", backward)


def _infinite(where: ActivationStats, what: str, all_: list[ActivationStats]) -> Verdict:
    return Verdict(
        where.layer,
        Severity.ERROR,
        f"{what} {where.layer} holds inf or nan; it is the first of {len(all_)} such layers",
        {"layers": len(all_), "largest": where.largest},
    )


def _half_headroom(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.dtype != "float16" or a.largest <= 0:
            continue
        headroom = HALF_MAX / a.largest if a.finite else 0.0
        if headroom < 8:
            yield Verdict(
                a.layer,
                Severity.ERROR if headroom <= 1 else Severity.WARNING,
                f"what enters {a.layer} reaches {a.largest:.3g}: float16 ends at 65504, a factor "
                f"of {headroom:.2g} away",
                {"headroom": headroom, "largest": a.largest},
            )


DEAD_LAYER = Metric(
    "dead-layer",
    "every unit of an activation has max(pre-activation) in the zero region over all samples and "
    "places, and no gradient; a share of units",
    "all units, with 256 samples or more",
    "exact by definition of the activation; He et al. 2015, arXiv:1502.01852, for healthy values",
    _dead_layer,
)
DEAD_UNITS = Metric(
    "dead-units",
    "share of such units in an activation",
    "over .50 a warning, over .25 information; with fewer than 256 samples information only",
    "Lu et al. 2019, Dying ReLU and Initialization, arXiv:1903.06733",
    _dead_units,
)
FROZEN_UNITS = Metric(
    "frozen-units",
    "share of units that are dead or always on: the layer is linear on the data",
    ".90 or more, with 256 samples or more",
    "exact by definition of the activation",
    _frozen_units,
)
SIGNAL_COLLAPSE = Metric(
    "signal-collapse",
    "spread between samples of a unit's pre-activation at one place, over the root mean square of "
    "the layer (at one place and not of its mean over space, which averages noise inputs away)",
    "under 1e-2 a warning, under 1e-4 an error",
    "Schoenholz et al. 2017, Deep Information Propagation, arXiv:1611.01232",
    _signal_collapse,
)
INACTIVE_SHARE = Metric(
    "inactive-share",
    "share of values in the inactive region: derivative under a tenth of its maximum",
    "over .90, information only: healthy nets have .34 to .54 and broken ones .48",
    "own measurements",
    _inactive_share,
)
SATURATION = Metric(
    "saturation",
    "share of values where the derivative of a bounded activation is under a tenth of its maximum "
    "(abs 3.64 for sigmoid, 1.82 for tanh)",
    "over .50 of a layer that is not the output",
    "Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward networks",
    _saturation,
)
NON_FINITE = Metric(
    "non-finite",
    "inf or nan in a pre-activation or in the gradient at it",
    "any",
    "IEEE 754",
    _non_finite,
)
HALF_HEADROOM = Metric(
    "half-headroom",
    "65504 over the largest absolute pre-activation; only where it is in float16",
    "under 8 a warning, 1 or under an error",
    "the largest finite float16, IEEE 754",
    _half_headroom,
)
