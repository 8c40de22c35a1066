"""What goes wrong at activations: stuck units, collapsing signals, saturation."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ActivationStats, ProbeResult
from bnlint.probing.judging.metric import ENOUGH, Number, Verdict, metric, percent

A = ActivationStats

NUMBERS = (
    Number(A, "mean", "mean of the pre-activation", "mean", width=10),
    Number(A, "std", "standard deviation of the pre-activation", "std", "deviation"),
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
        mark=lambda a: "warning" if (a.frozen or 0) >= 0.9 else "",
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
    why="No gradient passes the layer, so neither it nor anything before it can learn.",
    remedy="Check the bias before it and the learning rate, or put a norm before the activation.",
    source="exact by definition of the activation; He et al. 2015, arXiv:1502.01852, for healthy "
    "values",
)
def _dead_layer(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.dead == 1.0 and a.samples >= ENOUGH and a.finite:
            yield Verdict(
                a,
                Severity.ERROR,
                f"every one of the {a.units} units of {a.layer} is dead: no input of "
                f"{a.samples} samples exceeds {a.maximum:.3g} and no gradient passes",
                {"dead": 1.0, "maximum": a.maximum, "samples": a.samples},
            )


@metric(
    "dead-units",
    Severity.WARNING,
    definition="share of such units in an activation",
    default="over .50 a warning, over .25 information; with fewer than 256 samples information "
    "only",
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
        enough = a.samples >= ENOUGH
        word = "dead" if enough else "inactive on these few samples"
        severity = Severity.WARNING if a.dead > 0.5 and enough else Severity.INFO
        yield Verdict(
            a,
            severity,
            f"{percent(a.dead)} of the {a.units} units of {a.layer} are {word}: their input is "
            f"in the zero region on all {a.samples} samples",
            {"dead": a.dead, "samples": a.samples},
        )


@metric(
    "frozen-units",
    Severity.WARNING,
    definition="share of units that are dead or always on: the layer is linear on the data",
    default=".90 or more, with 256 samples or more",
    why="Without units that switch, the layers on both sides of it work as one linear layer.",
    remedy="Put a norm before the activation, or bring the biases back to the scale of the signal.",
    source="exact by definition of the activation",
)
def _frozen_units(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        frozen = a.frozen
        if frozen is None or a.always_on is None or frozen < 0.9 or a.dead == 1.0:
            continue
        if a.samples < ENOUGH:
            continue
        yield Verdict(
            a,
            Severity.WARNING,
            f"{percent(frozen)} of the {a.units} units of {a.layer} never switch "
            f"({percent(a.dead or 0)} dead, {percent(a.always_on)} always on), so it is linear",
            {"frozen": frozen, "dead": a.dead, "always-on": a.always_on},
        )


@metric(
    "signal-collapse",
    Severity.ERROR,
    definition="spread between samples of a unit's pre-activation at one place, over the root mean "
    "square of the layer (at one place and not of its mean over space, which averages noise inputs "
    "away)",
    default="under 1e-2 a warning, under 1e-4 an error",
    why="Later layers see nearly the same values for every sample, and cannot tell them apart.",
    remedy="Use norms, skip connections, or an initialization that fits the activation.",
    source="Schoenholz et al. 2017, Deep Information Propagation, arXiv:1611.01232",
)
def _signal_collapse(result: ProbeResult) -> Iterator[Verdict]:
    """Names only the first layer of those that collapsed: the others follow from it."""
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
        first,
        severity,
        f"the samples hardly differ any more at the input of {first.layer}{rest}: their spread is "
        f"{signal:.1e} of the signal{worse}",
        {"signal": signal, "worst": least, "layers": len(collapsed)},
    )


@metric(
    "inactive-share",
    Severity.INFO,
    definition="share of values in the inactive region: derivative under a tenth of its maximum",
    default="over .90, information only: healthy nets have .34 to .54 and broken ones .48",
    why="Most values pass little gradient. By itself that is neither good nor bad.",
    remedy="Nothing, unless training is slow: then look at dead and frozen units.",
    source="own measurements",
)
def _inactive_share(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.inactive is not None and a.inactive > 0.9 and (a.dead or 0) <= 0.25:
            yield Verdict(
                a,
                Severity.INFO,
                f"{percent(a.inactive)} of the values that enter {a.layer} are in its inactive "
                "region (sparse, which by itself is neither good nor bad)",
                {"inactive": a.inactive},
            )


@metric(
    "saturation",
    Severity.WARNING,
    definition="share of values where the derivative of a bounded activation is under a tenth of "
    "its maximum (abs 3.64 for sigmoid, 1.82 for tanh)",
    default="over .50 of a layer that is not the output",
    why="Little gradient passes where the activation is flat, so the layers before it learn "
    "slowly.",
    remedy="Put a norm before it, scale the weights down, or use an activation without a bound.",
    source="Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward "
    "networks",
)
def _saturation(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.saturated is not None and a.saturated > 0.5 and not a.at_output:
            yield Verdict(
                a,
                Severity.WARNING,
                f"{percent(a.saturated)} of the values that enter {a.layer} are where its slope "
                "is under a tenth of the steepest",
                {"saturated": a.saturated},
            )
