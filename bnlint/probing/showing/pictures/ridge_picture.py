"""The founding figure: values before and after each activation, for each arrangement of norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bnlint.domain.phrases import percent
from bnlint.domain.probe import AS_WRITTEN, ProbeResult
from bnlint.domain.probe_rows import ActivationStats
from bnlint.probing.showing.pictures.series import (
    GREY,
    INK,
    Series,
    frame,
    labels_of,
    legend,
    series_of,
    thinned,
    titled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES = ("before", "after")

BINS = 60

APART = 10.0
"""Where the scales of rows differ by more than this factor, each row has its own."""


def draw_ridge(result: ProbeResult) -> Figure:
    """Curves of the values, a row for each activation.

    Exact zeros after an activation are not part of the curve; their share is printed beside it.
    """
    every = series_of(result)
    shown = {AS_WRITTEN, "none", "before"}
    series = [one for one in every if one.name in shown] or every[:1]
    rows = thinned(series[0].activations)
    figure, axes = frame(1.7 + 0.3 * max(len(rows), 4), 2)
    for axis, side in zip(axes, SIDES, strict=True):
        _panel(axis, series, rows, side)
    axes[0].set_yticks([-i for i in range(len(rows))], labels_of(rows), fontsize=7)
    title = "Values before and after each activation"
    titled(figure, result, title, len(rows), len(series[0].activations))
    legend(figure, _marks(series))
    return figure


def _marks(series: Sequence[Series]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    patches = [Patch(color=one.colour, alpha=0.6, label=one.label) for one in series]
    how: dict[str, Any] = {"linestyle": "", "marker": r"$\%$", "markersize": 7, "color": GREY}
    return [*patches, Line2D([], [], label="share of exact zeros", **how)]


def _panel(axis: Any, series: Sequence[Series], rows: Sequence[ActivationStats], side: str) -> None:
    """One side of the activations."""
    found = [{(a.layer, a.call): a for a in one.activations} for one in series]
    groups = [[rows_of.get((row.layer, row.call)) for rows_of in found] for row in rows]
    own = [_reach(group, side) for group in groups]
    common = max(own, default=1.0)
    each = common > APART * min(own, default=1.0)
    for height, (group, reach) in enumerate(zip(groups, own, strict=True)):
        for number, (one, a) in enumerate(zip(series, group, strict=True)):
            if a is not None:
                values = [v / (reach if each else common) for v in getattr(a, side)]
                _curve(axis, values, -height, one.colour, side == "after")
                _zeros(axis, one, a, number, -height, side)
        if each:
            how = {"transform": axis.get_yaxis_transform(), "color": "#555555", "fontsize": 6}
            axis.text(0.01, -height + 0.32, f"±{reach:.2g}", **how)
    axis.set_xlim(-1 if side == "before" else -1 / 8, 1)
    _ticks(axis, side, None if each else common)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _ticks(axis: Any, side: str, common: float | None) -> None:
    axis.set_title(f"{side} the activation", fontsize=8)
    ends = [-1, 0, 1] if side == "before" else [0, 1]
    if common is None:
        axis.set_xticks(ends, ["" if e else "0" for e in ends], fontsize=7)
        axis.set_xlabel("each row has its own scale", fontsize=7)
    else:
        axis.set_xticks(ends, [f"{e * common:.3g}" for e in ends], fontsize=7)


def _zeros(axis: Any, one: Series, a: ActivationStats, number: int, base: float, side: str) -> None:
    """The share of exact zeros, in the colour and the column of the series."""
    zeros = a.more.get("zeros") or 0.0
    if side == "after" and zeros > 0.005:
        ink = INK.get(one.colour, one.colour)
        how = {"transform": axis.get_yaxis_transform(), "color": ink, "fontsize": 7}
        axis.text(1.02 + 0.14 * number, base + 0.1, percent(zeros), **how)


def _reach(group: Sequence[ActivationStats | None], side: str) -> float:
    """The 98th percentile of the magnitudes, so that no outlier flattens the rest."""
    values = sorted(
        abs(v) for a in group if a is not None for v in getattr(a, side) if math.isfinite(v)
    )
    return max(values[int(0.98 * (len(values) - 1))], 1e-12) if values else 1.0


def _curve(axis: Any, values: Sequence[float], base: float, colour: str, no_zeros: bool) -> None:
    """The density of values from -1 to 1 as a hill on ``base``, scaled to the height of a row."""
    counts = [0] * BINS
    for value in values:
        if math.isfinite(value) and abs(value) < 1 and not (no_zeros and value == 0):
            counts[int((value + 1) / 2 * BINS)] += 1
    if not any(counts):
        return
    xs = [-1 + (i + 0.5) * 2 / BINS for i in range(BINS)]
    smooth = [
        (counts[max(i - 1, 0)] + 2 * n + counts[min(i + 1, BINS - 1)]) / 4 if n else 0.0
        for i, n in enumerate(counts)
    ]
    ys = [base + 0.85 * s / max(smooth) for s in smooth]
    axis.fill_between(xs, base, ys, color=colour, alpha=0.35, linewidth=0, zorder=-base)
    axis.plot(xs, ys, color=colour, linewidth=0.9, zorder=-base + 0.1)
