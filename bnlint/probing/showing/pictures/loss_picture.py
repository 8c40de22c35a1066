"""The loss of each arrangement of norms over some steps of gradient descent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bnlint.domain.errors import UsageError
from bnlint.domain.probe import ProbeResult
from bnlint.probing.showing.pictures.series import Series, frame, legend, series_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECADE = 10.0
"""Losses that differ by more than this factor are drawn on a log scale."""


def draw_losses(result: ProbeResult) -> Figure:
    """The loss over steps, a column for each rate."""
    series = [one for one in series_of(result) if one.curves]
    if result.comparison is None or not series:
        raise UsageError("there are no curves: probe with compare=True (--compare)")
    rates = [c.rate for c in series[0].curves]
    figure, axes = frame(3.2, len(rates))
    for column, (axis, rate) in enumerate(zip(axes, rates, strict=True)):
        for one in series:
            how = {"color": one.colour, "linewidth": 1.6, "label": one.label}
            axis.plot(one.curves[column].losses, one.dash, **how)
        axis.set_title(f"rate {rate:g}", fontsize=8)
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
    _scaled(axes[0], series)
    axes[0].set_ylabel("loss", fontsize=8)
    loss = result.comparison.objective
    figure.suptitle(f"Loss with the same weights\n{result.model}, {loss}", fontsize=10)
    legend(figure)
    return figure


def _scaled(axis: Any, series: Sequence[Series]) -> None:
    """An axis on which the curves can be told apart: logarithmic, or close around them.

    What rises far above the first loss leaves the page: one diverging rate hides all else.
    """
    start = max(one.curves[0].losses[0] for one in series)
    every = [x for one in series for c in one.curves for x in c.losses if math.isfinite(x)]
    low = min(every, default=0.0)
    top = min(max(every, default=1.0), start + 0.6 * abs(start) if start else 1.0)
    if low > 0 and top / low > DECADE:
        axis.set_yscale("log")
        axis.set_ylim(low / 1.3, top * 1.3)
    else:
        margin = 0.08 * (top - low) or 0.05 * abs(top) or 0.1
        axis.set_ylim(low - margin, top + margin)
