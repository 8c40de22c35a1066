"""What happens to the signal: it collapses, changes its scale, meets no switch, or is one unit."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import percent
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats
from bnlint.layers.table import builtin_table
from bnlint.probing.judging.metric import (
    BACKWARD,
    ENOUGH,
    SIGNAL,
    Verdict,
    metric,
    named,
    named_alone,
    on_flat_noise,
)

FADING = 0.1
"""A signal that is small, but not yet collapsed."""

SAME = 1e-4
"""The signal of an output from which on samples count as the same."""

NOISE = 1e-6
"""The spread between samples, over that of the input, which may be rounding alone."""


@metric(
    "signal-collapse",
    Severity.ERROR,
    definition="spread between samples of a unit's pre-activation at one position, divided by the "
    "root mean square of the layer (not of its mean over positions, which averages noise inputs "
    "away)",
    default="under 0.01: warning; under 1e-4: error; a spread under 1e-6 of the input's is "
    "rounding and counts as 0; gates and layers after zero weights are not judged; outputs under "
    "1e-4: warning, if no activation shows it",
    leads_to=(*SIGNAL, *BACKWARD, "sample-leak"),
    why="Later layers see nearly the same values for every sample, and cannot tell them apart.",
    remedy="Use norms, skip connections, or an initialization that fits the activation.",
    source="Schoenholz et al. 2017, Deep Information Propagation, arXiv:1611.01232",
)
def _signal_collapse(result: ProbeResult) -> Iterator[Verdict]:
    """Names only the first layer of those that collapsed: the others follow from it."""
    found = [(a, _true_signal(a, result)) for a in result.activations if _may_collapse(a, result)]
    collapsed = [(a, signal) for a, signal in found if signal is not None and signal < 1e-2]
    if not collapsed:
        yield from _same_outputs(result)
        return
    first, signal = collapsed[0]
    worst, least = min(collapsed, key=lambda pair: pair[1])
    severity = Severity.ERROR if least < 1e-4 else Severity.WARNING
    worse = f", {least:.1e} at {named_alone(worst)}" if worst is not first else ""
    rest = f" (and of {len(collapsed) - 1} more activations)" if len(collapsed) > 1 else ""
    yield Verdict(
        first,
        severity,
        f"The samples hardly differ any more at the input of {named(first)}{rest}: their spread is "
        f"{signal:.1e} of the signal{worse}",
        {"signal": signal, "worst": least, "layers": len(collapsed)},
        begin=_fading(found, first),
    )


def _same_outputs(result: ProbeResult) -> Iterator[Verdict]:
    """Of models whose activations do not show it (an LSTM); noise may be averaged away in them."""
    by_design = result.trials.closed or any(k.weight_norm == 0 for k in result.kernels)
    noise = result.source == "synthetic" and any(i.mean is not None for i in result.inputs)
    signals = [o.signal for o in result.outputs if o.signal is not None]
    if not signals or max(signals) >= SAME or by_design or noise or _constant(result):
        return
    yield Verdict(
        None,
        Severity.WARNING,
        f"The outputs are nearly the same for every sample: their spread is {max(signals):.1e} of "
        "their size",
        {"signal": max(signals)},
    )


def _constant(result: ProbeResult) -> bool:
    return all(i.constant == 1 for i in result.inputs if i.constant is not None)


def _fading(found: list[tuple[ActivationStats, float | None]], first: ActivationStats) -> int:
    """The call from which on the signal is small on its way to where it has collapsed."""
    begin = first.order
    for a, signal in reversed(found[: [a for a, _ in found].index(first)]):
        if signal is None or signal > FADING:
            break
        begin = a.order
    return begin


def _true_signal(a: ActivationStats, result: ProbeResult) -> float | None:
    """The signal; 0 where the spread is no more than rounding leaves of the input's."""
    scale = max((i.std for i in result.inputs if i.std), default=0.0)
    rounding = a.spread is not None and a.spread < NOISE * scale and a.std > 0
    return 0.0 if rounding and abs(a.mean) > a.std * 1e-3 else a.signal


def _may_collapse(a: ActivationStats, result: ProbeResult) -> bool:
    """False for gates, for what starts at zero, and for noise that was averaged away."""
    zero = a.minimum == a.maximum == 0 or any(
        k.layer == a.fed_by and k.weight_norm == 0 for k in result.kernels
    )
    return a.finite and not a.is_gate and not zero and not on_flat_noise(a, result)


@metric(
    "frozen-units",
    Severity.WARNING,
    definition="share of units of a ReLU, ReLU6 or threshold that are dead or always on: the layer "
    "is linear on the data",
    default="90 % or more, on 256 samples or more; gates are not judged, nor what follows a global "
    "pooling of random noise",
    why="Without units that switch, the layers on both sides of it work as one linear layer.",
    remedy="Put a norm before the activation, or bring the biases back to the scale of the signal.",
    source="exact by definition of the activation",
)
def _frozen_units(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        frozen = a.frozen
        if frozen is None or a.always_on is None or frozen < 0.9 or a.dead == 1.0:
            continue
        linear = "relu-family" in builtin_table().kind(a.kind).tags
        if a.samples < ENOUGH or a.is_gate or not linear or on_flat_noise(a, result):
            continue
        yield Verdict(
            a,
            Severity.WARNING,
            f"{percent(frozen)} of the {a.units} units of {named(a)} never switch "
            f"({percent(a.dead or 0)} dead, {percent(a.always_on)} always on), so it is linear",
            {"frozen": frozen, "dead": a.dead, "always-on": a.always_on},
        )


@metric(
    "scale",
    Severity.ERROR,
    definition="standard deviation of what enters each activation, and of the outputs, divided by "
    "that of the input; and norm(gradient) / norm(weight) of all layers",
    default="under 1e-4 or over 1e3: warning; under 1e-8 or over 1e6: error; also if gradient over "
    "weight is under 1e-6 at every layer",
    leads_to=(*SIGNAL, *BACKWARD, "non-finite"),
    why="Very small signals drown in the biases and in eps, very large ones saturate and overflow; "
    "gradients and steps have the wrong scale.",
    remedy="Use an initialization that fits the activation (kaiming_normal_, xavier_normal_), or a "
    "norm",
    source="He et al. 2015, arXiv:1502.01852; thresholds from own measurements on healthy nets",
)
def _scale(result: ProbeResult) -> Iterator[Verdict]:
    """Names the first layer where the scale leaves the range."""
    base = next((i.std for i in result.inputs if i.std), 1.0)
    rows = [(a, a.std / base) for a in result.activations if a.finite and a.std > 0]
    out = [(a, r) for a, r in rows if not 1e-4 <= r <= 1e3 and not a.is_gate]
    if out:
        worst = max((r for _, r in out), key=lambda r: abs(math.log10(r)))
        yield _out_of_scale(out[0][0], f"What enters {named(out[0][0])}", out[0][1], worst)
        return
    for given in result.outputs:
        ratio = given.std / base
        outside = ratio > 1e3 or (0 < ratio < 1e-4 and not given.bounded)
        if given.finite and outside:
            yield _out_of_scale(None, f"The {given.name}", ratio, ratio)
            return
    yield from _tiny_gradients(result)


def _out_of_scale(at: object, what: str, ratio: float, worst: float) -> Verdict:
    grave = worst < 1e-8 or worst > 1e6
    direction = "shrinks" if ratio < 1 else "grows"
    further = f", and to {worst:.1e} further on" if worst != ratio else ""
    return Verdict(
        at,  # type: ignore[arg-type]
        Severity.ERROR if grave else Severity.WARNING,
        f"{what} {direction} to {ratio:.1e} of the input's standard deviation{further}",
        {"ratio": ratio, "worst": worst},
    )


def _tiny_gradients(result: ProbeResult) -> Iterator[Verdict]:
    ratios = [(k, k.ratio) for k in result.kernels if k.ratio]
    learned = result.loss is None or abs(result.loss) < 0.05
    if ratios and not learned and all(r < 1e-6 for _, r in ratios):
        first, ratio = max(ratios, key=lambda pair: pair[1])
        yield Verdict(
            first,
            Severity.WARNING,
            f"The gradient is under {ratio:.1e} of the weight at every layer",
            {"ratio": ratio},
        )


@metric(
    "identical-units",
    Severity.ERROR,
    definition="a layer whose units all have the same weights, or an activation whose units all "
    "reach the same largest and smallest value",
    default="any layer with two units or more, unless its weights are zero",
    leads_to=(
        "identical-units",
        "gradient-vanishing",
        "dead-units",
        "frozen-units",
        "scale",
        "signal-collapse",
        "saturation",
        "initial-loss",
    ),
    why="Units with the same weights get the same gradient and stay the same: the layer works as "
    "one unit.",
    remedy="Draw the weights at random: nn.init.kaiming_normal_, xavier_uniform_, or torch's "
    "default",
    source="symmetry breaking: Goodfellow et al. 2016, Deep Learning, section 8.4",
)
def _identical_units(result: ProbeResult) -> Iterator[Verdict]:
    for k in result.kernels:
        if k.identical:
            yield Verdict(
                k,
                Severity.ERROR,
                f"All units of {named(k)} have the same weights, so they compute the same and "
                "learn the same",
            )
    of_kernels = {k.layer for k in result.kernels if k.identical}
    for a in result.activations:
        if a.identical and a.fed_by not in of_kernels and not a.pooled and a.samples > 1:
            yield Verdict(
                a,
                Severity.ERROR,
                f"All {a.units} units that enter {named(a)} have the same values "
                f"({a.minimum:.3g} to {a.maximum:.3g})",
            )
