"""The pictures of a probe, drawn with matplotlib (the ``plot`` extra), imported when needed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.domain.errors import UsageError
from bnlint.domain.probe import ProbeResult
from bnlint.probing.showing.pictures.gradient_picture import draw_gradients
from bnlint.probing.showing.pictures.loss_picture import draw_losses
from bnlint.probing.showing.pictures.ridge_picture import draw_ridge
from bnlint.probing.showing.pictures.units_picture import draw_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTS: Mapping[str, Callable[[ProbeResult], Figure]] = {
    "units": draw_units,
    "grad-flow": draw_gradients,
    "ridge": draw_ridge,
    "loss": draw_losses,
}
"""Every picture by its name."""

FORMATS = ("png", "svg")


def require() -> None:
    """Checks that pictures can be drawn; a UsageError if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise UsageError("pictures need matplotlib", hint="pip install 'bnlint[plot]'")


def draw(result: ProbeResult, name: str, title: bool = True) -> Figure:
    """The picture called ``name``: units, grad-flow, ridge or loss.

    A UsageError if there is no such picture, nothing to draw, or no matplotlib.
    """
    if name not in PLOTS:
        raise UsageError(
            f"there is no picture called {name!r}", hint=f"there are {', '.join(PLOTS)}"
        )
    require()
    figure = PLOTS[name](result)
    if not title:
        figure.suptitle("")
    return figure


def save(result: ProbeResult, folder: str | Path, titles: bool = True) -> tuple[Path, ...]:
    """The paths of all pictures that can be drawn, written as PNG and as SVG to ``folder``.

    For a name like ``net.svg`` they are written beside it, in that format: ``net-units.svg``.
    """
    target = Path(folder)
    only = target.suffix.removeprefix(".").lower()
    formats, prefix = ((only,), f"{target.stem}-") if only in FORMATS else (FORMATS, "")
    target = target.parent if prefix else target
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name in drawable(result):
        figure = draw(result, name, titles)
        for suffix in formats:
            path = target / f"{prefix}{name}.{suffix}"
            metadata = {"Date": None} if suffix == "svg" else None
            figure.savefig(path, dpi=200, metadata=metadata)
            written.append(path)
    return tuple(written)


def svg(result: ProbeResult, name: str) -> str:
    """The picture as an SVG element without a title, for a page that holds everything itself."""
    file = io.StringIO()
    draw(result, name, title=False).savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg") :]


def drawable(result: ProbeResult) -> tuple[str, ...]:
    """The names of the pictures that this result has data for."""
    curves = any(v.curves for v in result.comparison.variants) if result.comparison else False
    flow = sum(k.ratio is not None for k in result.kernels) > 1
    units = any(a.dead is not None for a in result.activations)
    has = {"units": units, "grad-flow": flow, "ridge": bool(result.activations), "loss": curves}
    return tuple(name for name in PLOTS if has[name])
