"""Dead, switching and always-on units of each activation, a column for each series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats
from bnlint.probing.showing.pictures.series import (
    GREY,
    RED,
    frame,
    labels_of,
    legend,
    series_of,
    thinned,
    titled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_units(result: ProbeResult) -> Figure:
    """Shares of units as bars, the share of inactive values as dots."""
    series = series_of(result)
    every = [a for a in series[0].activations if a.dead is not None]
    rows = thinned(every)
    figure, axes = frame(1.7 + 0.2 * max(len(rows), 4), len(series))
    for axis, one in zip(axes, series, strict=True):
        found = {(a.layer, a.call): a for a in one.activations}
        _bars(axis, [found.get((row.layer, row.call)) for row in rows])
        if len(series) > 1:
            axis.set_title(one.label.replace(" (", "\n("), fontsize=7.5)
        axis.set_xlim(0, 1)
        axis.set_xlabel("share of units", fontsize=8)
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=8)
    axes[0].set_yticks(range(len(rows)), labels_of(rows), fontsize=7)
    axes[0].invert_yaxis()
    titled(figure, result, "Units of each activation", len(rows), len(every))
    legend(figure)
    return figure


def _bars(axis: Any, rows: Sequence[ActivationStats | None]) -> None:
    at = range(len(rows))
    dead = [a.dead or 0.0 if a else 0.0 for a in rows]
    on = [a.always_on or 0.0 if a else 0.0 for a in rows]
    switching = [max(0.0, 1 - d - o) if a else 0.0 for a, d, o in zip(rows, dead, on, strict=True)]
    left = [d + s for d, s in zip(dead, switching, strict=True)]
    axis.barh(at, dead, color=RED, label="dead", hatch="///", edgecolor="white", linewidth=0)
    axis.barh(at, switching, left=dead, color="#56B4E9", label="switching")
    axis.barh(at, on, left=left, color="#F0E442", label="always on", edgecolor=GREY, linewidth=0.3)
    dots = {i: a.inactive for i, a in enumerate(rows) if a and a.inactive is not None}
    how = {"color": "black", "markersize": 3, "clip_on": False}
    axis.plot(list(dots.values()), list(dots), "o", label="share of values inactive", **how)
