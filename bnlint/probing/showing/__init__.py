"""Measurements as text, data and pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.domain.probe import ProbeResult
from bnlint.probing.showing import exports, pictures, terminal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Probed(ProbeResult):
    """A :class:`ProbeResult` that shows itself."""

    __slots__ = ()

    def plot(self, name: str, title: bool = True) -> Figure:
        """The picture ``units``, ``grad-flow``, ``ridge`` or ``loss`` as a matplotlib figure."""
        return pictures.draw(self, name, title)

    def save_plots(self, folder: str | Path, titles: bool = True) -> tuple[Path, ...]:
        """The paths of all pictures, written as PNG and SVG to ``folder``."""
        return pictures.save(self, folder, titles)

    def __str__(self) -> str:
        """The table that the command prints."""
        return terminal.render(self)

    def to_json(self) -> str:
        """The measurements as JSON."""
        return exports.to_json(self)


def showing(result: ProbeResult) -> Probed:
    """The same result with ways to look at it."""
    return Probed(**{f.name: getattr(result, f.name) for f in dataclasses.fields(result)})
