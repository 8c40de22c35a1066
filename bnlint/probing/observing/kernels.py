"""The kernels of a forward: which weight each call multiplies by, and what it reads."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Hashable
from typing import Any

from torch import Tensor, nn

from bnlint.probing.observing.readings import KernelReading


class Kernels:
    """One reading for each weight, in the order of their first calls.

    A weight that is computed anew in every forward (weight norm, standardised weights, a cast) is
    known by its layer and call; its reading follows the newest.
    """

    def __init__(self) -> None:
        self.readings: dict[Hashable, KernelReading] = {}
        self._calls: Counter[str] = Counter()
        self._read: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._stages = 0

    def restart(self) -> None:
        """A new forward."""
        self._calls.clear()
        self._read.clear()
        self._stages = 0

    def note(self, layer: str, kind: str, x: Any, weight: Tensor) -> None:
        """A call of ``layer`` that multiplies ``x`` by ``weight``."""
        key: Hashable = id(weight)
        if not weight.is_leaf:
            key = layer, self._calls[layer]
            self._calls[layer] += 1
        stage = self._stage(x)
        found = self.readings.get(key)
        if found is None:
            found = KernelReading(layer, kind, weight, weight.requires_grad, stage=stage)
            self.readings[key] = found
        found.weight = weight

    def _stage(self, x: Any) -> int:
        """A number that kernels share which read the same tensor."""
        known = self._read.get(id(x))
        if known is not None and known[0]() is x:
            return known[1]
        self._stages += 1
        if isinstance(x, Tensor):
            self._read[id(x)] = weakref.ref(x), self._stages
        return self._stages


def operands(kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """What a call multiplies, and the weight it multiplies by; None where there is no weight.

    A matrix product is a kernel where one of its factors is a parameter.
    """
    if kind != "matmul":
        weight = args[1] if len(args) > 1 else kwargs.get("weight")
        x = args[0] if args else kwargs.get("input")
        return x, weight if isinstance(weight, Tensor) else None
    factors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor) and a.ndim > 1]
    weight = next((a for a in factors if isinstance(a, nn.Parameter)), None)
    return next((a for a in factors if a is not weight), None), weight
