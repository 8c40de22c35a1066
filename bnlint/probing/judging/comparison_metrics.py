"""What a comparison says of the whole model: a fault that no norm can fix."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import Comparison, Curve, ProbeResult
from bnlint.probing.judging.metric import Verdict, metric

STEPS = 10
"""With fewer steps of training no loss has to fall."""

FALL = 0.03
"""The fall of the loss, as a share of it, below which a variant does not train."""

CONSTANT = 5.0
"""Over the samples: the fall that learning only how often each label occurs can bring."""


@metric(
    "nothing-trains",
    Severity.WARNING,
    definition="how much the loss falls over the steps of a comparison, relative to the first "
    "loss: the largest fall of all variants and learning rates",
    default="under 3 %, or under 5 / samples, with 10 steps or more; steps by the sign of the "
    "gradient, which also train recurrent layers, do not make it fall either",
    begins="training",
    why="The model does not train with or without norms, so their position is not what is wrong.",
    remedy="Check that the gradient reaches the first layer, then the loss, the labels, the scale "
    "of the input and the learning rate.",
    source="own measurements: a net that can only learn how often each label occurs falls by less",
)
def _nothing_trains(result: ProbeResult) -> Iterator[Verdict]:
    comparison = result.comparison
    if comparison is None or comparison.steps < STEPS or not comparison.rates:
        return
    falls = {v.name: _fall(v.curves) for v in comparison.variants if v.curves}
    falls["signed"] = _fall((comparison.signed,) if comparison.signed else ())
    if max(falls.values()) >= max(FALL, CONSTANT / comparison.samples):
        return
    rates = ", ".join(f"{rate:g}" for rate in comparison.rates)
    starts = [v.curves[0].losses[0] for v in comparison.variants if v.curves]
    yield Verdict(
        None,
        Severity.WARNING,
        f"No variant trains, with or without norms: after {comparison.steps} steps at rates of "
        f"{rates} the loss is {_lowest(comparison):#.4g} at best (it was {min(starts):#.4g})",
        {"fall": max(falls.values())},
    )


def _fall(curves: tuple[Curve, ...]) -> float:
    """The largest fall of the loss as a share of its start; 0 where it only rose or overflowed."""
    falls = [0.0]
    for curve in curves:
        start, best = curve.losses[0], min(filter(math.isfinite, curve.losses), default=math.inf)
        if math.isfinite(start) and start != 0:
            falls.append((start - best) / abs(start))
    return max(falls)


def _lowest(comparison: Comparison) -> float:
    every = (x for v in comparison.variants for c in v.curves for x in c.losses)
    return min(filter(math.isfinite, every), default=math.nan)
