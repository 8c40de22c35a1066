"""What a probe returns: the measurements of an observer as plain data, and ways to look at them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from bnlint.domain.probe import ProbeResult
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import merged, merged_norms
from bnlint.probing.observing.summarise import activation_stats, kernel_stats, norm_stats
from bnlint.probing.showing import exports, pictures, terminal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Probed(ProbeResult):
    """A :class:`ProbeResult` that shows itself."""

    __slots__ = ()

    def plot(self, name: str) -> Figure:
        """The picture ``units``, ``grad-flow``, ``ridge`` or ``loss`` as a matplotlib figure."""
        return pictures.draw(self, name)

    def save_plots(self, folder: str | Path) -> tuple[Path, ...]:
        """The paths of all pictures, written as PNG to ``folder``."""
        return pictures.save(self, folder)

    def __str__(self) -> str:
        """The table that the command prints."""
        return terminal.render(self)

    def to_json(self) -> str:
        """The measurements as JSON."""
        return exports.to_json(self)


def showing(result: ProbeResult) -> Probed:
    """The same result with ways to look at it."""
    fields: dict[str, Any] = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    return Probed(**fields)


def measured(model: nn.Module, seen: Observer, **about: Any) -> ProbeResult:
    """What an observer read, on the host by now, as rows; ``about`` are the other fields."""
    return ProbeResult(
        model=type(model).__name__,
        activations=tuple(map(activation_stats, merged(seen.activations))),
        norms=norm_stats(merged_norms(seen.norms)),
        kernels=kernel_stats(seen.kernels.values()),
        not_observable=seen.not_observable,
        **about,
    )
