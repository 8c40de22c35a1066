"""What goes wrong at activations: dead units, and values where the slope is flat."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import percent
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats
from bnlint.probing.judging.metric import (
    BACKWARD,
    ENOUGH,
    SIGNAL,
    Number,
    Verdict,
    metric,
    named,
    on_flat_noise,
)

A = ActivationStats

SAME = 1e-4
"""The signal below which samples are the same: that is the fault then, not where their value is."""

FEW = 32
"""With fewer samples not even a whole layer without an active unit means anything."""

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
    definition="share of an activation's units that are dead: on every sample and position the "
    "pre-activation is in the zero region, so no gradient passes",
    default="if all units are dead, on 256 samples or more",
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
    definition="share of an activation's units that are in the zero region on every sample",
    default="over 50 %: warning; over 25 %: info; with fewer than 256 samples info only, but a "
    "warning if all units are, on 32 samples or more",
    leads_to=(*SIGNAL, *BACKWARD),
    why="Dead units get no gradient and stay dead: the layer is narrower than it looks.",
    remedy="Put a norm before the activation, use a leaky activation, or change the "
    "initialization.",
    source="Lu et al. 2019, Dying ReLU and Initialization, arXiv:1903.06733",
)
def _dead_units(result: ProbeResult) -> Iterator[Verdict]:
    """A warning for each layer in which most units are dead, info for fewer."""
    for a in result.activations:
        if a.dead is None or a.dead <= 0.25 or (a.dead == 1.0 and a.samples >= ENOUGH):
            continue
        if on_flat_noise(a, result):
            continue
        enough = a.samples >= ENOUGH
        word = "dead" if enough else "inactive on these few samples"
        sure = enough or (a.dead == 1.0 and a.samples >= FEW)
        severity = Severity.WARNING if a.dead > 0.5 and sure else Severity.INFO
        severity = Severity.INFO if _within_gate(a, result) else severity
        yield Verdict(
            a,
            severity,
            f"{percent(a.dead)} of the {a.units} units of {named(a)} are {word}: their input is "
            f"in the zero region for all {a.samples} samples",
            {"dead": a.dead, "samples": a.samples},
        )


def _within_gate(a: ActivationStats, result: ProbeResult) -> bool:
    """The narrow layer of a squeeze-and-excitation, from pooled maps to a gate."""
    later = (o for o in result.activations if o.order > a.order)
    following = min(later, key=lambda o: o.order, default=None)
    return a.pooled and following is not None and following.is_gate and following.pooled


@metric(
    "inactive-share",
    Severity.INFO,
    definition="share of values in the inactive region: derivative under a tenth of its maximum",
    default="over 90 %: info only, since healthy nets have 34 to 54 % and broken ones 48 %",
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
    "its maximum (beyond 3.64 for sigmoid, 1.82 for tanh)",
    default="over 50 % of a layer that is not the output",
    leads_to=(*SIGNAL, *BACKWARD),
    why="Little gradient passes where the activation is flat, so the layers before it learn "
    "slowly.",
    remedy="Put a norm before it, scale the weights down, or use an activation without a bound.",
    source="Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward "
    "networks",
)
def _saturation(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        same = a.signal is not None and a.signal < SAME
        judged = not (a.at_output or a.is_gate or same)
        if a.saturated is not None and a.saturated > 0.5 and judged:
            yield Verdict(
                a,
                Severity.WARNING,
                f"{percent(a.saturated)} of the values that enter {named(a)} are where its slope "
                f"is under a tenth of the steepest: they have a deviation of {a.std:.3g}",
                {"saturated": a.saturated},
            )
