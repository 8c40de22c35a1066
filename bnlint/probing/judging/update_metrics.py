"""What goes wrong with the steps of an optimizer: too large, too small, or none at all."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import plural
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import UpdateStats
from bnlint.probing.judging.metric import Verdict, metric

SMALL, LARGE, WHOLE = 1e-5, 1e-1, 1.0
"""Of the weight: steps below or above are unusual; a step as large as the weight forgets it."""

STEPS = 2
"""Observed steps in a row in which a parameter must stay as it was: a warm-up may begin at zero."""

SHOWN = 4
"""Names of parameters in a message."""


@metric(
    "update-ratio",
    Severity.WARNING,
    definition="norm(step of the optimizer) / norm(weight) for each weight matrix, and the "
    "trainable parameters that a step leaves as they were; only while a training is watched",
    default="median under 1e-5 or a weight over 0.1: info; a weight over 1, or parameters "
    "unchanged in two observed steps in a row: warning",
    begins="backward",
    why="Weights that hardly move do not learn, and weights that move by their own size forget.",
    remedy="Change the learning rate, and pass all trainable parameters to the optimizer.",
    source="Karpathy 2015, CS231n: the ratio of updates to weights should be somewhere about 1e-3",
)
def _update_ratio(result: ProbeResult) -> Iterator[Verdict]:
    yield from _unchanged(result)
    yield from _out_of_range(result)


def _unchanged(result: ProbeResult) -> Iterator[Verdict]:
    still = [u for u in result.updates if u.unchanged >= STEPS]
    if not still:
        return
    if len(still) == len(result.updates):
        yield Verdict(
            None,
            Severity.WARNING,
            f"No trainable parameter changed in the last {STEPS} observed steps",
            {"unchanged": len(still)},
            "Check that the optimizer holds the parameters of this model, and its learning rate",
        )
        return
    for held, remedy in _REMEDIES.items():
        group = [u for u in still if bool(u.in_optimizer) is held]
        if group:
            names = ", ".join(f"`{u.name}`" for u in group[:SHOWN])
            more = f" and {len(group) - SHOWN} more" if len(group) > SHOWN else ""
            count = plural(len(group), "trainable parameter")
            yield Verdict(
                None if held else group[0],
                _severity(group, result),
                f"{count} did not change in the last {STEPS} observed steps ({names}{more})",
                {"unchanged": len(group)},
                remedy,
            )


_REMEDIES = {
    False: "Pass them to the optimizer, or set requires_grad=False",
    True: "The optimizer holds them: look for a gradient that is cut or zero, and for steps below "
    "the precision of their type",
}
"""By whether the optimizer holds them."""


def _severity(group: list[UpdateStats], result: ProbeResult) -> Severity:
    """Information where all belong to layers that did not run (an expert that was not chosen)."""
    ran = {k.layer for k in result.kernels} | {n.layer for n in result.norms}
    idle = all(u.in_optimizer and u.layer not in ran for u in group)
    return Severity.INFO if idle else Severity.WARNING


def _out_of_range(result: ProbeResult) -> Iterator[Verdict]:
    moved = [(u, u.ratio) for u in result.updates if u.dimensions > 1 and u.ratio]
    if not moved:
        return
    usual = median(ratio for _, ratio in moved)
    most, ratio = max(moved, key=lambda pair: pair[1])
    if ratio > LARGE:
        yield Verdict(
            None,
            Severity.WARNING if ratio > WHOLE else Severity.INFO,
            f"One step of the optimizer changed `{most.name}` by {ratio:.2g} of its norm (about "
            "1e-3 is usual)",
            {"ratio": ratio, "median": usual},
            "Lower the learning rate, or clip the gradient",
        )
    if usual < SMALL:
        yield Verdict(
            None,
            Severity.INFO,
            f"One step of the optimizer changes the median weight by {usual:.1e} of its norm "
            "(about 1e-3 is usual)",
            {"median": usual},
            "Raise the learning rate, unless it is warming up or ending",
        )
