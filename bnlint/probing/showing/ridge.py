"""The founding picture: the values before and after each activation, with and without norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bnlint.domain.probe import ActivationStats, ProbeResult
from bnlint.probing.showing import canvas
from bnlint.probing.showing.canvas import BLUE, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Series = tuple[str, str, Sequence[ActivationStats]]
"""Name, colour and rows."""

INK = {BLUE: "#005A8C", ORANGE: "#8A5A00"}
"""The same hues dark enough for small print on white."""


def draw(result: ProbeResult) -> Figure:
    """Values before and after each activation, without (blue) and with norm (orange).

    Exact zeros after an activation are no part of the curve; their share is printed beside it.
    """
    series = _ridge_series(result)
    rows = canvas.thinned(series[0][2])
    figure, axes = canvas.figure(8.5, 1.8 + 0.42 * max(len(rows), 4), 1, 2, sharey=True)
    for column, side in enumerate(("before", "after")):
        axis = axes[0][column]
        reach = _reach(series, side)
        for number, (_, colour, all_rows) in enumerate(series):
            found = {(a.layer, a.call): a for a in all_rows}
            for height, row in enumerate(rows):
                a = found.get((row.layer, row.call))
                if a is not None:
                    _curve(axis, getattr(a, side), reach, -height, colour, side == "after")
                    if side == "after" and a.zeros > 0.005:
                        x, y = 1.02 + 0.11 * number, -height + 0.1
                        axis.text(
                            x,
                            y,
                            f"{a.zeros:.0%}",
                            transform=axis.get_yaxis_transform(),
                            color=INK[colour],
                            fontsize=8,
                        )
        axis.set_xlim(-reach, reach) if side == "before" else axis.set_xlim(-reach / 8, reach)
        axis.set_yticks(
            [-i for i in range(len(rows))], [canvas.label(a.layer, a.call) for a in rows]
        )
        axis.set_title(f"{side} the activation" + ("  (zeros →)" if side == "after" else ""))
        axis.spines[["top", "right", "left"]].set_visible(False)
    total = len(series[0][2])
    figure.suptitle(
        canvas.title(result, "Values at each activation", len(rows), total), fontsize=11
    )
    handles = [_handle(colour, name) for name, colour, _ in series]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure  # type: ignore[no-any-return]


def _ridge_series(
    result: ProbeResult,
) -> list[Series]:
    """Name, colour and rows of what the ridge compares."""
    found = {v.name: v.activations for v in canvas.variants(result)}
    if "none" in found and "before" in found:
        return [
            ("without norm", BLUE, found["none"]),
            ("with norm before each activation", ORANGE, found["before"]),
        ]
    return [("as written", ORANGE if result.norms else BLUE, result.activations)]


def _reach(series: Sequence[Series], side: str) -> float:
    """The 98th percentile of the magnitudes on this side, so that no outlier flattens the rest."""
    values = sorted(
        abs(v) for _, _, rows in series for a in rows for v in getattr(a, side) if math.isfinite(v)
    )
    return max(values[int(0.98 * (len(values) - 1))], 1e-6) if values else 1.0


def _curve(
    axis: Any, values: Sequence[float], reach: float, base: float, colour: str, no_zeros: bool
) -> None:
    """The density of the values as a hill on ``base``, scaled to the height of a row."""
    bins = 60
    counts = [0] * bins
    for value in values:
        if math.isfinite(value) and abs(value) < reach and not (no_zeros and value == 0):
            counts[int((value + reach) / (2 * reach) * bins)] += 1
    top = max(counts)
    if top == 0:
        return
    xs = [-reach + (i + 0.5) * 2 * reach / bins for i in range(bins)]
    smooth = [
        (counts[max(i - 1, 0)] + 2 * n + counts[min(i + 1, bins - 1)]) / 4 if n else 0.0
        for i, n in enumerate(counts)
    ]
    ys = [base + 0.85 * s / max(smooth) for s in smooth]
    axis.fill_between(xs, base, ys, color=colour, alpha=0.35, linewidth=0, zorder=-base)
    axis.plot(xs, ys, color=colour, linewidth=0.9, zorder=-base + 0.1)


def _handle(colour: str, name: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, alpha=0.6, label=name)
