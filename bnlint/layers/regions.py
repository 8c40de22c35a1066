"""Where an activation stops passing gradient: the thresholds behind *inactive* and *saturated*.

The inactive region holds the inputs whose derivative is under a tenth of its largest value, at the
outer ends; for the smooth functions the thresholds were found numerically (a test repeats that).
They are in the column ``inactive`` of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from bnlint.layers.table import builtin_table


@dataclass(frozen=True, slots=True)
class Region:
    """Inputs at or below ``low`` and at or above ``high`` are inactive.

    ``exact`` is true where the derivative there is exactly zero, so that a unit can be dead.
    ``saturating`` marks a bounded function, whose share of such values is called *saturated*.
    """

    low: float | None = None
    high: float | None = None
    exact: bool = False
    saturating: bool = False


NOWHERE = Region()


@lru_cache(maxsize=1)
def regions() -> Mapping[str, Region]:
    """The inactive region of each activation that has one, for the default arguments."""
    plain = ("low", "high", "exact", "saturating")
    rows = ((kind, row.inactive) for kind, row in builtin_table().rows.items() if row.inactive)
    return {kind: Region(**{n: found[n] for n in plain if n in found}) for kind, found in rows}


@lru_cache(maxsize=1)
def moved_kinds() -> frozenset[str]:
    """The kinds whose region depends on the arguments of the call."""
    rows = builtin_table().rows.items()
    return frozenset(k for k, row in rows if {"moved", "never-from"} & row.inactive.keys())


def region_of(kind: str, arguments: Mapping[str, Any]) -> Region:
    """The inactive region of one call, moved by the arguments that move it."""
    region = regions().get(kind, NOWHERE)
    if kind not in moved_kinds():
        return region
    inactive = builtin_table().rows[kind].inactive
    limits = inactive.get("never-from", {}).items()
    if any(_number(arguments, name, 0.0) >= limit for name, limit in limits):
        return NOWHERE
    moved = inactive.get("moved", {})
    low, high = (
        _number(arguments, moved[end], inactive[end]) if end in moved else known
        for end, known in (("low", region.low), ("high", region.high))
    )
    return replace(region, low=low, high=high)


def clamp_kind(arguments: Mapping[str, Any]) -> str | None:
    """``relu``, ``relu6`` or None for a clamp with these bounds."""
    low, high = arguments.get("min"), arguments.get("max")
    if not _is_number(low) or low != 0:  # reading the value of a tensor would wait for its device
        return None
    if high is None:
        return "relu"
    return "relu6" if _is_number(high) and high == 6 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(arguments: Mapping[str, Any], name: str, default: float) -> float:
    value = arguments.get(name, default)
    return float(value) if isinstance(value, (int, float)) else default
