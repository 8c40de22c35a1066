"""JSON that every parser reads: numbers that are not finite become null."""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(data: Any) -> str:
    """``data`` as an indented document, with a line end."""
    return json.dumps(finite(data), indent=2, allow_nan=False) + "\n"


def finite(data: Any) -> Any:
    """``data`` with None for numbers that JSON does not have (NaN and the infinities)."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    return data
