"""The gradient at each conv/linear layer, for each arrangement of norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bnlint.domain.probe import ProbeResult
from bnlint.probing.showing.pictures.series import (
    GREY,
    Series,
    frame,
    legend,
    series_of,
    shortened,
    titled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = 40
"""Of more layers only every n-th is named."""


def draw_gradients(result: ProbeResult) -> Figure:
    """norm(gradient) / norm(weight) on a log scale; crosses at the bottom are exact zeros."""
    series = series_of(result)
    names = [shortened(k.layer) for k in series[0].kernels]
    figure, (axis,) = frame(3.8)
    for one in series:
        points = {i: k.ratio for i, k in enumerate(one.kernels) if _is_positive(k.ratio)}
        how = {"marker": "o", "markersize": 3.5, "color": one.colour, "label": one.label}
        axis.plot(list(points), list(points.values()), one.dash, **how)
    axis.set_yscale("log")
    _zeros(axis, series)
    step = max(1, math.ceil(len(names) / NAMES))
    axis.set_xticks(range(0, len(names), step), names[::step], rotation=60, ha="right", fontsize=7)
    axis.set_ylabel("norm(gradient) / norm(weight)", fontsize=8)
    axis.tick_params(axis="y", labelsize=8)
    axis.grid(axis="y", alpha=0.3)
    titled(figure, result, "Gradient at each conv/linear layer, first to last")
    legend(figure)
    return figure


def _is_positive(ratio: float | None) -> bool:
    return ratio is not None and 0 < ratio < math.inf


def _zeros(axis: Any, series: Sequence[Series]) -> None:
    """Crosses in the series' own colour below all points, a row for each series."""
    every = [k.ratio for one in series for k in one.kernels if k.ratio is not None]
    low = min((r for r in every if _is_positive(r)), default=1.0) / 10
    row = 0
    for one in series:
        zeros = [i for i, k in enumerate(one.kernels) if k.ratio == 0]
        if zeros:
            how = {"color": one.colour, "markersize": 6, "markeredgewidth": 1.6}
            axis.plot(zeros, [low / 10 ** (0.5 * row)] * len(zeros), "x", **how)
            row += 1
    if row:
        axis.plot([], [], "x", color=GREY, markersize=6, markeredgewidth=1.6, label="exactly zero")
