"""What all pictures share: the empty figure, names that fit, colours, the variants to show.

Colours are from Okabe and Ito's palette, which the colour-blind can tell apart; what a colour says
is also said by place, mark or label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.probe import ActivationStats, ProbeResult, Variant

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
COLOURS = {"none": BLUE, "before": ORANGE, "after": GREEN, "as-written": "#000000"}
DASHES = {"none": "-", "before": "-", "after": "--", "as-written": ":"}
ROWS = 40
"""More activations than that are thinned to every n-th, and the title says so."""


def require() -> None:
    """Nothing where pictures can be drawn; raises UsageError without matplotlib."""
    if find_spec("matplotlib") is None:
        raise UsageError(Mistake("pictures need matplotlib", hint="pip install 'bnlint[plot]'"))


def figure(width: float, height: float, rows: int = 1, columns: int = 1, **how: Any) -> Any:
    """An empty figure and its axes, without the global state of pyplot."""
    require()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **how)


def thinned(rows: Sequence[ActivationStats]) -> tuple[ActivationStats, ...]:
    """At most :data:`ROWS` of the rows, evenly, with the last."""
    step = math.ceil(len(rows) / ROWS)
    return tuple(rows[::-1][::step][::-1])


def label(layer: str, call: int = 0, width: int = 26) -> str:
    """A layer's name, its middle left out where it is long."""
    name = f"{layer}#{call + 1}" if call else layer
    half = (width - 1) // 2
    return name if len(name) <= width else f"{name[:half]}…{name[-half:]}"


def title(result: ProbeResult, what: str, shown: int, total: int) -> str:
    """What is drawn, of which model, on how many samples, and how much was left out."""
    of = f" ({shown} of {total} shown)" if shown < total else ""
    return f"{what}{of}\n{result.model}, {result.samples} samples on {result.device}"


def legend(figure: Any) -> None:
    """A legend under everything, in as many columns as the page is wide for."""
    columns = max(1, int(figure.get_figwidth() / 1.75))
    figure.legend(loc="outside lower center", ncols=columns, frameon=False)


def variants(result: ProbeResult) -> list[Variant]:
    """The compared variants that ran; as-written is left out where it is the same as none."""
    found = [v for v in result.comparison.variants if not v.error] if result.comparison else []
    bare = any(v.name == "none" for v in found) and not result.norms
    return [v for v in found if not (bare and v.name == "as-written")]
