"""Further numbers of an activation: one entry of ``MEASURES`` each, from the device to the row.

Rows hold them by name in ``ActivationStats.more``, JSON shows them as fields; how tables show one
is declared beside the metric that judges it (``probing/judging/*_metrics.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from bnlint.probing.observing.readings import ActivationReading


@dataclass(frozen=True, slots=True)
class Measure:
    """How one number is measured: ``finish`` computes it from all readings of a call.

    A number that needs more than those hold also has ``take``: it computes a small tensor on the
    device from the pre-activation and the dimension of its units. Those of two batches are combined
    by ``merge``, and ``finish`` finds the result in ``ActivationReading.more``.
    """

    name: str
    finish: Callable[[ActivationReading], float | None]
    take: Callable[[Tensor, int], Tensor] | None = None
    merge: Callable[[Tensor, Tensor], Tensor] = torch.add


def _zeros(a: ActivationReading) -> float:
    """The share of exact zeros among the sampled values after the activation."""
    after = a.after
    return float((after == 0).float().mean()) if after is not None and after.numel() else 0.0


MEASURES: list[Measure] = [Measure("zeros", _zeros)]


def taken(x: Tensor, axis: int) -> dict[str, Tensor]:
    """What the measures keep of one call, still on the device."""
    return {m.name: m.take(x, axis) for m in MEASURES if m.take is not None}


def combined(readings: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """What was taken in several batches as one, on the host."""
    found = [m for m in MEASURES if m.take is not None]
    return {m.name: reduce(m.merge, (r[m.name] for r in readings)) for m in found}


def finished(a: ActivationReading) -> dict[str, float | None]:
    """The numbers of one call by name."""
    return {m.name: m.finish(a) for m in MEASURES}
