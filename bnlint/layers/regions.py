"""Where an activation stops passing gradient: the thresholds behind *inactive* and *saturated*.

The inactive region holds the inputs whose derivative is under a tenth of its largest value, at the
outer ends; for the smooth functions the thresholds were found numerically (a test repeats that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Region:
    """Inputs at or below ``low`` and at or above ``high`` are inactive.

    ``exact`` is true where the derivative there is exactly zero, so that a unit can be dead.
    ``saturating`` tells a bounded function, whose share of such values is called *saturated*.
    """

    low: float | None = None
    high: float | None = None
    exact: bool = False
    saturating: bool = False


NOWHERE = Region()

REGIONS: Mapping[str, Region] = {
    "relu": Region(0.0, exact=True),
    "relu6": Region(0.0, 6.0, exact=True),
    "threshold": Region(0.0, exact=True),
    "hardswish": Region(-3.0, exact=True),
    "sigmoid": Region(-3.6369, 3.6369, saturating=True),
    "tanh": Region(-1.8184, 1.8184, saturating=True),
    "softsign": Region(-2.1623, 2.1623, saturating=True),
    "hardsigmoid": Region(-3.0, 3.0, exact=True, saturating=True),
    "hardtanh": Region(-1.0, 1.0, exact=True, saturating=True),
    "logsigmoid": Region(high=2.1972),
    "leakyrelu": Region(0.0),
    "elu": Region(-2.3026),
    "celu": Region(-2.3026),
    "selu": Region(-2.3026),
    "gelu": Region(-1.7282),
    "silu": Region(-0.8825),
    "mish": Region(-2.5398),
    "softplus": Region(-2.1972),
}


MOVED = frozenset({"threshold", "hardtanh", "leakyrelu"})
"""Kinds whose region hangs on the arguments of the call."""


def region_of(kind: str, arguments: Mapping[str, Any]) -> Region:
    """The inactive region of one call, moved by the arguments that move it."""
    region = REGIONS.get(kind, NOWHERE)
    if kind == "threshold":
        return replace(region, low=_number(arguments, "threshold", 0.0))
    if kind == "hardtanh":
        low, high = _number(arguments, "min_val", -1.0), _number(arguments, "max_val", 1.0)
        return replace(region, low=low, high=high)
    if kind == "leakyrelu" and _number(arguments, "negative_slope", 0.01) >= 0.1:
        return NOWHERE
    return region


def clamp_kind(arguments: Mapping[str, Any]) -> str | None:
    """``relu``, ``relu6`` or None for a clamp with these bounds."""
    low, high = arguments.get("min"), arguments.get("max")
    if not _is_number(low) or low != 0:  # a tensor is not looked into: that would wait for it
        return None
    if high is None:
        return "relu"
    return "relu6" if _is_number(high) and high == 6 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(arguments: Mapping[str, Any], name: str, default: float) -> float:
    value = arguments.get(name, default)
    return float(value) if isinstance(value, (int, float)) else default
