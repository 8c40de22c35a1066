"""The pictures of a probe, drawn with matplotlib (the ``plot`` extra), imported when needed.

Colours are from Okabe and Ito's palette for color-blind readers; place, mark or label repeat them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnlint.domain.errors import UsageError
from bnlint.domain.probe import ActivationStats, ProbeResult, Variant, site_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
COLOURS = {"none": BLUE, "before": ORANGE, "after": GREEN, "as-written": "#000000"}
DASHES = {"none": "-", "before": "-", "after": "--", "as-written": ":"}
INK = {BLUE: "#005A8C", ORANGE: "#8A5A00"}
"""The same hues, dark enough for small print on white."""

ROWS = 40
"""Of more activations only every n-th is shown, and the title says so."""

Series = tuple[str, str, Sequence[ActivationStats]]
"""Name, colour and rows."""


def require() -> None:
    """Checks that pictures can be drawn; a UsageError if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise UsageError("pictures need matplotlib", hint="pip install 'bnlint[plot]'")


def draw(result: ProbeResult, name: str) -> Figure:
    """The picture called ``name``: units, grad-flow, ridge or loss.

    A UsageError if there is no such picture, nothing to draw, or no matplotlib.
    """
    if name not in PLOTS:
        raise UsageError(
            f"there is no picture called {name!r}", hint=f"there are {', '.join(PLOTS)}"
        )
    require()
    return PLOTS[name](result)


def save(result: ProbeResult, folder: str | Path) -> tuple[Path, ...]:
    """The paths of all pictures that can be drawn of this result, written as PNG to ``folder``."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = {name: target / f"{name}.png" for name in drawable(result)}
    for name, path in paths.items():
        draw(result, name).savefig(path, dpi=150)
    return tuple(paths.values())


def svg(result: ProbeResult, name: str) -> str:
    """The picture as an SVG element, for a page that holds everything itself."""
    file = io.StringIO()
    draw(result, name).savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg") :]


def drawable(result: ProbeResult) -> tuple[str, ...]:
    """The names of the pictures that this result has data for."""
    curves = any(v.curves for v in result.comparison.variants) if result.comparison else False
    flow = sum(k.ratio is not None for k in result.kernels) > 1
    units = any(a.dead is not None for a in result.activations)
    has = {"units": units, "grad-flow": flow, "ridge": True, "loss": curves}
    return tuple(name for name in PLOTS if has[name])


def _units(result: ProbeResult) -> Figure:
    """Dead, always on and switching units of each activation; the inactive share as dots."""
    all_rows = [a for a in result.activations if a.dead is not None]
    rows = _thinned(all_rows)
    figure, (axis,) = _figure(7.5, 1.9 + 0.26 * max(len(rows), 4))
    at = range(len(rows))
    dead, on = [a.dead or 0.0 for a in rows], [a.always_on or 0.0 for a in rows]
    switching = [max(0.0, 1 - d - o) for d, o in zip(dead, on, strict=True)]
    left = [d + s for d, s in zip(dead, switching, strict=True)]
    axis.barh(at, dead, color=RED, label="dead", hatch="///", edgecolor="white", linewidth=0)
    axis.barh(at, switching, left=dead, color="#56B4E9", label="switching")
    axis.barh(at, on, left=left, color="#F0E442", label="always on", edgecolor=GREY, linewidth=0.3)
    dots = {i: a.inactive for i, a in enumerate(rows) if a.inactive is not None}
    how = {"color": "black", "markersize": 4, "clip_on": False}
    axis.plot(list(dots.values()), list(dots), "o", label="share of values inactive", **how)
    axis.set_yticks(list(at), [_label(a.layer, a.call) for a in rows])
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("share of units")
    axis.set_title(_title(result, "Units of each activation", len(rows), len(all_rows)))
    _legend(figure)
    return figure


def _grad_flow(result: ProbeResult) -> Figure:
    """norm(gradient) / norm(weight) per kernel on a log scale; exact zeros are red crosses."""
    series = {v.name: v.kernels for v in _variants(result)} or {"as-written": result.kernels}
    names = [_label(k.layer, 0) for k in next(iter(series.values()))]
    figure, (axis,) = _figure(max(6.5, min(14.0, 2 + 0.3 * len(names))), 4.4)
    for name, kernels in series.items():
        points = {i: k.ratio for i, k in enumerate(kernels) if k.ratio and math.isfinite(k.ratio)}
        how = {"marker": "o", "markersize": 4, "color": COLOURS[name]}
        label = f"norm: {name}" if len(series) > 1 else name
        axis.plot(list(points), list(points.values()), DASHES[name], label=label, **how)
    axis.set_yscale("log")
    every = [(i, k.ratio) for kernels in series.values() for i, k in enumerate(kernels)]
    zeros = [i for i, ratio in every if ratio == 0]
    if zeros:
        low = min((r for _, r in every if r and math.isfinite(r)), default=1.0) / 10
        how = {"color": "#D50000", "markersize": 8, "markeredgewidth": 2}
        axis.plot(zeros, [low] * len(zeros), "x", label="exactly zero", **how)
    step = max(1, math.ceil(len(names) / 40))
    axis.set_xticks(range(0, len(names), step), names[::step], rotation=60, ha="right")
    axis.set_ylabel("norm(gradient) / norm(weight)")
    axis.grid(axis="y", alpha=0.3)
    axis.set_title(_title(result, "Gradient at each kernel, first to last", 1, 1))
    _legend(figure)
    return figure


def _loss(result: ProbeResult) -> Figure:
    variants = [v for v in _variants(result) if v.curves]
    if result.comparison is None or not variants:
        raise UsageError("there are no curves: probe with compare=True (--compare)")
    rates = [c.rate for c in variants[0].curves]
    figure, axes = _figure(3.1 * len(rates) + 0.8, 3.8, len(rates))
    for column, (axis, rate) in enumerate(zip(axes, rates, strict=True)):
        for v in variants:
            label = f"norm: {v.name}" if column == 0 else None
            how = {"color": COLOURS[v.name], "linewidth": 2, "label": label}
            axis.plot(v.curves[column].losses, DASHES[v.name], **how)
        axis.set_title(f"rate {rate:g}")
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    axes[0].set_ylim(*_span(variants))
    axes[0].set_ylabel("loss")
    figure.suptitle(f"{result.model}, {result.comparison.objective}: same weights", fontsize=11)
    _legend(figure)
    return figure


def _span(variants: Sequence[Variant]) -> tuple[float, float]:
    """From zero, or the lowest loss under it (a projection has no bound), to above the first."""
    firsts = (v.curves[0].losses[0] for v in variants)
    start = max(filter(math.isfinite, firsts), default=0.0)
    every = [x for v in variants for c in v.curves for x in c.losses if math.isfinite(x)]
    low = min(every, default=0.0)
    if low >= 0:
        return 0.0, 1.6 * start if start > 0 else 1.0
    return 1.05 * low, max(1.6 * start, 0.1 * -low)


def _ridge(result: ProbeResult) -> Figure:
    """Values before and after each activation, without (blue) and with norm (orange).

    Exact zeros after an activation are no part of the curve; their share is printed beside it.
    """
    from matplotlib.patches import Patch

    series = _compared(result)
    rows = _thinned(series[0][2])
    figure, axes = _figure(8.5, 1.8 + 0.42 * max(len(rows), 4), 2)
    for axis, side in zip(axes, ("before", "after"), strict=True):
        reach = _reach(series, side)
        for number, one in enumerate(series):
            _hills(axis, number, one, rows, side, reach)
        axis.set_xlim(-reach if side == "before" else -reach / 8, reach)
        axis.set_yticks([-i for i in range(len(rows))], [_label(a.layer, a.call) for a in rows])
        axis.set_title(f"{side} the activation" + ("  (zeros →)" if side == "after" else ""))
        axis.spines[["top", "right", "left"]].set_visible(False)
    title = _title(result, "Values at each activation", len(rows), len(series[0][2]))
    figure.suptitle(title, fontsize=11)
    handles = [Patch(color=colour, alpha=0.6, label=name) for name, colour, _ in series]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _compared(result: ProbeResult) -> list[Series]:
    found = {v.name: v.activations for v in _variants(result)}
    if "none" in found and "before" in found:
        normed = "with norm before each activation", ORANGE, found["before"]
        return [("without norm", BLUE, found["none"]), normed]
    return [("as written", ORANGE if result.norms else BLUE, result.activations)]


def _reach(series: Sequence[Series], side: str) -> float:
    """The 98th percentile of the magnitudes on this side, so that no outlier flattens the rest."""
    values = sorted(
        abs(v) for _, _, rows in series for a in rows for v in getattr(a, side) if math.isfinite(v)
    )
    return max(values[int(0.98 * (len(values) - 1))], 1e-6) if values else 1.0


def _hills(
    axis: Any, number: int, series: Series, rows: Sequence[ActivationStats], side: str, reach: float
) -> None:
    """The curves of one series, a row each, with the shares of zeros in its own column."""
    _, colour, all_rows = series
    found = {(a.layer, a.call): a for a in all_rows}
    for height, row in enumerate(rows):
        a = found.get((row.layer, row.call))
        if a is None:
            continue
        _curve(axis, getattr(a, side), reach, -height, colour, side == "after")
        zeros = a.more.get("zeros") or 0.0
        if side == "after" and zeros > 0.005:
            how = {"transform": axis.get_yaxis_transform(), "color": INK[colour], "fontsize": 8}
            axis.text(1.02 + 0.11 * number, -height + 0.1, f"{zeros:.0%}", **how)


def _curve(
    axis: Any, values: Sequence[float], reach: float, base: float, colour: str, no_zeros: bool
) -> None:
    """The density of the values as a hill on ``base``, scaled to the height of a row."""
    bins = 60
    counts = [0] * bins
    for value in values:
        if math.isfinite(value) and abs(value) < reach and not (no_zeros and value == 0):
            counts[int((value + reach) / (2 * reach) * bins)] += 1
    if not any(counts):
        return
    xs = [-reach + (i + 0.5) * 2 * reach / bins for i in range(bins)]
    smooth = [
        (counts[max(i - 1, 0)] + 2 * n + counts[min(i + 1, bins - 1)]) / 4 if n else 0.0
        for i, n in enumerate(counts)
    ]
    ys = [base + 0.85 * s / max(smooth) for s in smooth]
    axis.fill_between(xs, base, ys, color=colour, alpha=0.35, linewidth=0, zorder=-base)
    axis.plot(xs, ys, color=colour, linewidth=0.9, zorder=-base + 0.1)


PLOTS: Mapping[str, Callable[[ProbeResult], Figure]] = {
    "units": _units,
    "grad-flow": _grad_flow,
    "ridge": _ridge,
    "loss": _loss,
}
"""Every picture by its name."""


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False, sharey=columns > 1)[0]


def _thinned(rows: Sequence[ActivationStats]) -> tuple[ActivationStats, ...]:
    step = math.ceil(len(rows) / ROWS)
    return tuple(rows[::-1][::step][::-1])


def _label(layer: str, call: int) -> str:
    name = site_name(layer, call)
    return name if len(name) <= 26 else f"{name[:12]}…{name[-12:]}"


def _title(result: ProbeResult, what: str, shown: int, total: int) -> str:
    of = f" ({shown} of {total} shown)" if shown < total else ""
    return f"{what}{of}\n{result.model}, {result.samples} samples on {result.device}"


def _legend(figure: Any) -> None:
    columns = max(1, int(figure.get_figwidth() / 1.75))
    figure.legend(loc="outside lower center", ncols=columns, frameon=False)


def _variants(result: ProbeResult) -> list[Variant]:
    """The compared variants that ran; as-written is left out where it is the same as none."""
    found = [v for v in result.comparison.variants if not v.error] if result.comparison else []
    bare = any(v.name == "none" for v in found) and not result.norms
    return [v for v in found if not (bare and v.name == "as-written")]
