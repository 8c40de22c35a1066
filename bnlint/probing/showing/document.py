"""A probe as JSON-ready data with named fields; numbers that JSON lacks become null."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from typing import Any

from bnlint.domain.probe import ProbeResult

VERSION = 1


def document(result: ProbeResult) -> dict[str, Any]:
    """Everything in the result but the raw samples, by field name; additions only."""
    fields: dict[str, Any] = named(result)
    fields["gradient_ratio"] = named(result.gradient_ratio)
    return {"version": VERSION, "probe": fields}


def render(result: ProbeResult) -> str:
    """The document as indented JSON with a line end."""
    return json.dumps(document(result), indent=2, allow_nan=False) + "\n"


SKIPPED = frozenset({"before", "after", "graphs"})
"""Raw samples are for the pictures, graphs for the page."""


def named(value: Any) -> Any:
    """Dataclasses as dicts, tuples and sets as lists, enums as their values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (f.name for f in dataclasses.fields(value))
        return {name: named(getattr(value, name)) for name in fields if name not in SKIPPED}
    if isinstance(value, Mapping):
        return {str(k): named(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [named(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(named(v) for v in value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
