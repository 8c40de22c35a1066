"""What goes wrong at activations: stuck units, collapsing signals, saturation."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import percent
from bnlint.domain.probe import ActivationStats, ProbeResult
from bnlint.layers.table import builtin_table
from bnlint.probing.judging.metric import (
    BACKWARD,
    ENOUGH,
    SIGNAL,
    Number,
    Verdict,
    metric,
    named,
)

A = ActivationStats

FADING = 0.1
"""A signal that is small, but not yet collapsed."""

NOISE = 1e-6
"""The spread between samples, over that of the input, which may be rounding alone."""

NUMBERS = (
    Number(A, "mean", "mean of the pre-activation", "mean", width=10),
    Number(A, "std", "standard deviation of the pre-activation", "std", "deviation", logged=True),
    Number(
        A,
        "dead",
        "share of units that are in the zero region on every sample",
        "dead",
        share=True,
        mark=lambda a: "error" if (a.dead or 0) > 0.5 else "",
        logged=True,
    ),
    Number(
        A,
        "always_on",
        "share of units that are never in the zero region",
        "always on",
        share=True,
        mark=lambda a: "warning" if (a.frozen or 0) >= 0.9 and a.always_on else "",
        logged=True,
    ),
    Number(A, "inactive", "share of values with little slope", "inactive", share=True),
    Number(
        A,
        "saturated",
        "share of values with little slope of a bounded activation",
        "saturated",
        share=True,
        mark=lambda a: "warning" if (a.saturated or 0) > 0.5 and not a.at_output else "",
        logged=True,
    ),
    Number(
        A,
        "signal",
        "spread between samples over the root mean square",
        "signal",
        text="{:.1e}".format,
        mark=lambda a: "warning" if a.signal is not None and a.signal < 1e-2 else "",
        logged=True,
    ),
    Number(A, "gradient", "largest absolute gradient", page="largest gradient"),
)


@metric(
    "dead-layer",
    Severity.ERROR,
    definition="every unit of an activation has max(pre-activation) in the zero region over all "
    "samples and places, and no gradient; a share of units",
    default="all units, with 256 samples or more",
    leads_to=(*SIGNAL, *BACKWARD, "unread-features"),
    why="No gradient passes the layer, so neither it nor anything before it can learn.",
    remedy="Check the bias of the layer that feeds it and the learning rate, or put a norm between "
    "them",
    source="exact by definition of the activation; He et al. 2015, arXiv:1502.01852, for healthy "
    "values",
)
def _dead_layer(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.dead == 1.0 and a.samples >= ENOUGH and a.finite:
            yield Verdict(
                a,
                Severity.ERROR,
                f"All {a.units} units of {named(a)} are dead: their inputs stay at or below "
                f"{a.maximum:.3g} for all {a.samples} samples, so no gradient passes",
                {"dead": 1.0, "maximum": a.maximum, "samples": a.samples},
            )


@metric(
    "dead-units",
    Severity.WARNING,
    definition="share of such units in an activation",
    default="over .50 a warning, over .25 information; with fewer than 256 samples information "
    "only",
    leads_to=("dead-units", "dead-layer", "frozen-units", "inactive-share"),
    why="Dead units get no gradient and stay dead: the layer is narrower than it looks.",
    remedy="Put a norm before the activation, use a leaky activation, or change the "
    "initialization.",
    source="Lu et al. 2019, Dying ReLU and Initialization, arXiv:1903.06733",
)
def _dead_units(result: ProbeResult) -> Iterator[Verdict]:
    """A warning for each layer in which most units are dead, information for fewer."""
    for a in result.activations:
        if a.dead is None or a.dead <= 0.25 or (a.dead == 1.0 and a.samples >= ENOUGH):
            continue
        if _on_flat_noise(a, result):
            continue
        enough = a.samples >= ENOUGH
        word = "dead" if enough else "inactive on these few samples"
        severity = Severity.WARNING if a.dead > 0.5 and enough else Severity.INFO
        severity = Severity.INFO if _within_gate(a, result) else severity
        yield Verdict(
            a,
            severity,
            f"{percent(a.dead)} of the {a.units} units of {named(a)} are {word}: their input is "
            f"in the zero region for all {a.samples} samples",
            {"dead": a.dead, "samples": a.samples},
        )


@metric(
    "signal-collapse",
    Severity.ERROR,
    definition="spread between samples of a unit's pre-activation at one place, over the root mean "
    "square of the layer (at one place and not of its mean over space, which averages noise inputs "
    "away)",
    default="under 1e-2 a warning, under 1e-4 an error; a spread under 1e-6 of the input's is "
    "rounding, and counts as none; gates and what zero weights start are not judged",
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
        return
    first, signal = collapsed[0]
    worst, least = min(collapsed, key=lambda pair: pair[1])
    severity = Severity.ERROR if least < 1e-4 else Severity.WARNING
    worse = f", {least:.1e} at `{worst.layer}`" if worst is not first else ""
    rest = f" (and of {len(collapsed) - 1} more activations)" if len(collapsed) > 1 else ""
    yield Verdict(
        first,
        severity,
        f"The samples hardly differ any more at the input of {named(first)}{rest}: their spread is "
        f"{signal:.1e} of the signal{worse}",
        {"signal": signal, "worst": least, "layers": len(collapsed)},
        begin=_fading(found, first),
    )


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
    return a.finite and not a.is_gate and not zero and not _on_flat_noise(a, result)


def _within_gate(a: ActivationStats, result: ProbeResult) -> bool:
    """The narrow layer of a squeeze-and-excitation, from pooled maps to a gate."""
    later = (o for o in result.activations if o.order > a.order)
    following = min(later, key=lambda o: o.order, default=None)
    return a.pooled and following is not None and following.is_gate and following.pooled


def _on_flat_noise(a: ActivationStats, result: ProbeResult) -> bool:
    """Behind a global pooling of made-up noise, all samples are nearly the same."""
    return a.pooled and result.source == "synthetic"


@metric(
    "frozen-units",
    Severity.WARNING,
    definition="share of units of a ReLU, ReLU6 or threshold that are dead or always on: the layer "
    "is linear on the data",
    default=".90 or more, with 256 samples or more; gates are not judged, nor what follows a "
    "global pooling of made-up noise",
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
        if a.samples < ENOUGH or a.is_gate or not linear or _on_flat_noise(a, result):
            continue
        yield Verdict(
            a,
            Severity.WARNING,
            f"{percent(frozen)} of the {a.units} units of {named(a)} never switch "
            f"({percent(a.dead or 0)} dead, {percent(a.always_on)} always on), so it is linear",
            {"frozen": frozen, "dead": a.dead, "always-on": a.always_on},
        )


@metric(
    "inactive-share",
    Severity.INFO,
    definition="share of values in the inactive region: derivative under a tenth of its maximum",
    default="over .90, information only: healthy nets have .34 to .54 and broken ones .48",
    why="Most values pass little gradient. By itself that is neither good nor bad.",
    remedy="Nothing, unless training is slow",
    source="own measurements",
)
def _inactive_share(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.inactive is not None and a.inactive > 0.9 and (a.dead or 0) <= 0.25:
            yield Verdict(
                a,
                Severity.INFO,
                f"{percent(a.inactive)} of the values that enter {named(a)} are in its inactive "
                "region (sparse, which by itself is neither good nor bad)",
                {"inactive": a.inactive},
            )


@metric(
    "saturation",
    Severity.WARNING,
    definition="share of values where the derivative of a bounded activation is under a tenth of "
    "its maximum (abs 3.64 for sigmoid, 1.82 for tanh)",
    default="over .50 of a layer that is not the output",
    leads_to=(*SIGNAL, *BACKWARD),
    why="Little gradient passes where the activation is flat, so the layers before it learn "
    "slowly.",
    remedy="Put a norm before it, scale the weights down, or use an activation without a bound.",
    source="Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward "
    "networks",
)
def _saturation(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.saturated is not None and a.saturated > 0.5 and not (a.at_output or a.is_gate):
            yield Verdict(
                a,
                Severity.WARNING,
                f"{percent(a.saturated)} of the values that enter {named(a)} are where its slope "
                f"is under a tenth of the steepest: they have a deviation of {a.std:.3g}",
                {"saturated": a.saturated},
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
