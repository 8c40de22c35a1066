"""What the pictures compare, and the colours, names and frame that they share.

Colours are from Okabe and Ito's palette for color-blind readers; place, mark or label repeat them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bnlint.domain.probe import AS_WRITTEN, Curve, ProbeResult
from bnlint.domain.probe_rows import ActivationStats, KernelStats, shown_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 7.0
"""Of every picture, in inches: the text of a page."""

ROWS = 40
"""Of more activations only every n-th is shown, and the title says so."""

NAME = 26
"""Maximum number of characters of a layer's name."""

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
COLOURS = {"none": BLUE, "before": ORANGE, "after": GREEN, AS_WRITTEN: "#333333"}
DASHES = {"none": "-", "before": "-", "after": "--", AS_WRITTEN: ":"}
INK = {BLUE: "#005A8C", ORANGE: "#8A5A00", GREEN: "#00684B"}
"""The same hues, dark enough for small print on white."""

NAMES = {
    "none": "without norm",
    "before": "norm before each activation",
    "after": "norm after each activation",
    AS_WRITTEN: "as written",
}


@dataclass(frozen=True, slots=True)
class Series:
    """One arrangement of norms as all pictures show it."""

    name: str
    label: str
    colour: str
    dash: str
    activations: Sequence[ActivationStats]
    kernels: Sequence[KernelStats]
    curves: Sequence[Curve] = ()


def series_of(result: ProbeResult) -> list[Series]:
    """The model as written first, then the compared variants; the model alone without any."""
    found = []
    for shown, v in result.comparison.distinct if result.comparison else ():
        if not v.error:
            label = NAMES[v.name] + (" (as written)" if shown != v.name else "")
            how = label, COLOURS[v.name], DASHES[v.name]
            found.append(Series(v.name, *how, v.activations, v.kernels, v.curves))
    if not found:
        colour = ORANGE if result.norms else BLUE
        return [Series(AS_WRITTEN, "as written", colour, "-", result.activations, result.kernels)]
    return sorted(found, key=lambda s: s.name != AS_WRITTEN)


def frame(height: float, columns: int = 1, **how: Any) -> tuple[Figure, Any]:
    """A figure of the common width with a row of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False, **{"sharey": True, **how})[0]


def titled(figure: Any, result: ProbeResult, what: str, shown: int = 1, total: int = 1) -> None:
    """Says above a figure what it shows, and of what."""
    of = f" ({shown} of {total} shown)" if shown < total else ""
    figure.suptitle(
        f"{what}{of}\n{result.model}, {result.samples} samples on {result.device}", fontsize=10
    )


def legend(figure: Any, handles: Sequence[Any] = ()) -> None:
    """A legend below the axes, with every mark that has a label."""
    found = list(handles)
    for axis in () if found else figure.axes[:1]:
        found = axis.get_legend_handles_labels()[0]
    labels = [handle.get_label() for handle in found]
    longest = max(map(len, labels), default=1)
    columns = max(1, min(len(labels), int(WIDTH / (0.62 + 0.075 * longest))))
    how = {"loc": "outside lower center", "ncols": columns, "frameon": False, "fontsize": 8}
    figure.legend(found, labels, **how)


def thinned(rows: Sequence[ActivationStats]) -> tuple[ActivationStats, ...]:
    """At most :data:`ROWS` of the rows, evenly, the last one included."""
    step = max(1, math.ceil(len(rows) / ROWS))
    return tuple(rows[::-1][::step][::-1])


def labels_of(rows: Sequence[ActivationStats]) -> list[str]:
    """Names of activations: `layers.2 -> relu` for a function, the layer and kind for a module."""
    return [shortened(_label(row)) for row in rows]


def _label(row: ActivationStats) -> str:
    name = shown_name(row)
    return name if row.layer.endswith("()") else f"{name} ({row.kind})"


def shortened(name: str) -> str:
    """The name with its middle left out if it is long."""
    half = NAME // 2 - 1
    return name if len(name) <= NAME else f"{name[:half]}…{name[-half:]}"
