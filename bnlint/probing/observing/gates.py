"""What a saturating activation is for: the next multiplication tells."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor

from bnlint.probing.observing import measure
from bnlint.probing.observing.readings import ActivationReading


class Gates:
    """The saturating activations of a forward whose result may still multiply something.

    Inputs and results are held weakly: the address of one that is gone may be another's soon.
    """

    def __init__(self) -> None:
        self._open: list[tuple[ActivationReading, weakref.ref[Tensor], weakref.ref[Tensor]]] = []

    def note(self, reading: ActivationReading, x: Tensor, out: Tensor) -> None:
        """An activation that made ``out`` from ``x``."""
        if reading.region.saturating:
            self._open.append((reading, weakref.ref(x), weakref.ref(out)))

    def multiplied(self, factors: tuple[Any, ...]) -> None:
        """``x * sigmoid(x)`` is one activation; what multiplies something else is a gate."""
        for reading, x, out in self._open:
            if len(factors) != 2 or not any(f is not None and f is out() for f in factors):
                continue
            if reading.kind == "sigmoid" and any(f is not None and f is x() for f in factors):
                measure.become(reading, "silu")
            else:
                reading.is_gate = True

    def clear(self) -> None:
        """Forgets them all."""
        self._open.clear()
