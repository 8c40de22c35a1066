"""What :func:`bnlint.probing.run.probe` returns: the measurements, and ways to look at them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnlint.domain.probe import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Probed(ProbeResult):
    """A :class:`ProbeResult` that shows itself."""

    __slots__ = ()

    def plot(self, name: str) -> Figure:
        """The picture ``units``, ``grad-flow``, ``ridge`` or ``loss`` as a matplotlib figure."""
        from bnlint.probing.showing import plots

        return plots.draw(self, name)

    def save_plots(self, folder: str | Path) -> tuple[Path, ...]:
        """The paths of all pictures, written as PNG to ``folder``."""
        from bnlint.probing.showing import plots

        return plots.save(self, folder)

    def __str__(self) -> str:
        """The table that the command prints."""
        from bnlint.probing.showing.text import render

        return render(self)

    def to_json(self) -> str:
        """The measurements as JSON."""
        from bnlint.probing.showing.document import render

        return render(self)


def showing(result: ProbeResult) -> Probed:
    """The same result with the ways to look at it."""
    fields: dict[str, Any] = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    return Probed(**fields)
