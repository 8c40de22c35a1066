"""The pictures of a probe, drawn with matplotlib (the ``plot`` extra), which loads when drawn."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.probe import KernelStats, ProbeResult, Variant
from bnlint.probing.showing import canvas, ridge

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(result: ProbeResult, name: str) -> Figure:
    """The picture called ``name``: units, grad-flow, ridge or loss.

    Raises
    ------
        UsageError: there is no such picture, or matplotlib is missing, or there is nothing to draw.

    """
    if name not in PLOTS:
        raise UsageError(
            Mistake(f"there is no picture called {name!r}", hint=f"there are {', '.join(PLOTS)}")
        )
    return PLOTS[name](result)


def save(result: ProbeResult, folder: str | Path, dpi: int = 150) -> tuple[Path, ...]:
    """The paths of all pictures that can be drawn of this result, written as PNG to ``folder``."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name in drawable(result):
        path = target / f"{name}.png"
        draw(result, name).savefig(path, dpi=dpi)
        written.append(path)
    return tuple(written)


def drawable(result: ProbeResult) -> tuple[str, ...]:
    """The names of the pictures that this result has data for."""
    curves = any(v.curves for v in result.comparison.variants) if result.comparison else False
    flow = sum(k.ratio is not None for k in result.kernels) > 1
    units = any(a.dead is not None for a in result.activations)
    has = {"units": units, "grad-flow": flow, "ridge": True, "loss": curves}
    return tuple(name for name in PLOTS if has[name])


def units(result: ProbeResult) -> Figure:
    """Dead, always on and switching units of each activation; the inactive share as dots."""
    all_rows = [a for a in result.activations if a.dead is not None]
    rows = canvas.thinned(all_rows)
    figure, axes = canvas.figure(7.5, 1.9 + 0.26 * max(len(rows), 4))
    axis = axes[0][0]
    at = range(len(rows))
    dead = [a.dead or 0.0 for a in rows]
    on = [a.always_on or 0.0 for a in rows]
    switching = [max(0.0, 1 - d - o) for d, o in zip(dead, on, strict=True)]
    axis.barh(at, dead, color=canvas.RED, label="dead", hatch="///", edgecolor="white", linewidth=0)
    axis.barh(at, switching, left=dead, color="#56B4E9", label="switching")
    left = [d + s for d, s in zip(dead, switching, strict=True)]
    axis.barh(
        at, on, left=left, color="#F0E442", label="always on", edgecolor=canvas.GREY, linewidth=0.3
    )
    dots = [(i, share) for i, a in enumerate(rows) if (share := a.inactive) is not None]
    axis.plot(
        [x for _, x in dots],
        [i for i, _ in dots],
        "o",
        color="black",
        markersize=4,
        clip_on=False,
        label="share of values inactive",
    )
    axis.set_yticks(list(at), [canvas.label(a.layer, a.call) for a in rows])
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("share of units")
    axis.set_title(canvas.title(result, "Units of each activation", len(rows), len(all_rows)))
    canvas.legend(figure)
    return figure  # type: ignore[no-any-return]


def grad_flow(result: ProbeResult) -> Figure:
    """norm(gradient) / norm(weight) per kernel on a log scale; exact zeros are red crosses."""
    series = [(v.name, v.kernels) for v in canvas.variants(result)] or [
        ("as-written", result.kernels)
    ]
    names = [canvas.label(k.layer) for k in series[0][1]]
    figure, axes = canvas.figure(max(6.5, min(14.0, 2 + 0.3 * len(names))), 4.4)
    axis = axes[0][0]
    for name, kernels in series:
        points = [(i, k.ratio) for i, k in enumerate(kernels) if _shown(k)]
        axis.plot(
            [i for i, _ in points],
            [y for _, y in points],
            canvas.DASHES[name],
            marker="o",
            markersize=4,
            color=canvas.COLOURS[name],
            label=f"norm: {name}" if len(series) > 1 else name,
        )
    zeros = [i for _, ks in series for i, k in enumerate(ks) if k.ratio == 0]
    axis.set_yscale("log")
    if zeros:
        low = min((k.ratio or 1.0 for _, ks in series for k in ks if _shown(k)), default=1.0) / 10
        axis.plot(
            zeros,
            [low] * len(zeros),
            "x",
            color="#D50000",
            markersize=8,
            markeredgewidth=2,
            label="exactly zero",
        )
    step = max(1, math.ceil(len(names) / 40))
    axis.set_xticks(range(0, len(names), step), names[::step], rotation=60, ha="right")
    axis.set_ylabel("norm(gradient) / norm(weight)")
    axis.grid(axis="y", alpha=0.3)
    axis.set_title(canvas.title(result, "Gradient at each kernel, first to last", 1, 1))
    canvas.legend(figure)
    return figure  # type: ignore[no-any-return]


def loss(result: ProbeResult) -> Figure:
    """The loss over the steps of the comparison, a panel for each rate."""
    variants = [v for v in canvas.variants(result) if v.curves]
    if result.comparison is None or not variants:
        raise UsageError(Mistake("there are no curves: probe with compare=True (--compare)"))
    rates = [c.rate for c in variants[0].curves]
    figure, axes = canvas.figure(3.1 * len(rates) + 0.8, 3.8, 1, len(rates), sharey=True)
    for column, rate in enumerate(rates):
        axis = axes[0][column]
        for v in variants:
            axis.plot(
                v.curves[column].losses,
                canvas.DASHES[v.name],
                color=canvas.COLOURS[v.name],
                linewidth=2,
                label=f"norm: {v.name}" if column == 0 else None,
            )
        axis.set_title(f"rate {rate:g}")
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylim(*_span(variants))
    axes[0][0].set_ylabel("loss")
    figure.suptitle(f"{result.model}, {result.comparison.objective}: same weights", fontsize=11)
    canvas.legend(figure)
    return figure  # type: ignore[no-any-return]


def _shown(kernel: KernelStats) -> bool:
    """True for a ratio that has a place on a log scale."""
    return bool(kernel.ratio) and math.isfinite(kernel.ratio or 0.0)


def _span(variants: Sequence[Variant]) -> tuple[float, float]:
    """From zero, or the lowest loss under it (a projection has no bound), to above the first."""
    start = max(v.curves[0].losses[0] for v in variants)
    every = [x for v in variants for c in v.curves for x in c.losses if math.isfinite(x)]
    low = min(every, default=0.0)
    if low >= 0:
        return 0.0, 1.6 * start if start > 0 else 1.0
    return 1.05 * low, max(1.6 * start, 0.1 * -low)


PLOTS: Mapping[str, Callable[[ProbeResult], Figure]] = {
    "units": units,
    "grad-flow": grad_flow,
    "ridge": ridge.draw,
    "loss": loss,
}
"""Every picture by its name."""


def svg(result: ProbeResult, name: str) -> str:
    """The picture as an SVG element, for a page that holds everything itself."""
    text = io.StringIO()
    draw(result, name).savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
