"""Settings of layers and functions that an operation does not list, since they are the default."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.domain.graph import Value

DEFAULTS: Mapping[str, Value] = {
    "padding": 0,
    "output-padding": 0,
    "dilation": 1,
    "end-dim": -1,
    "count-include-pad": True,
    "approximate": "none",
    "padding-mode": "zeros",
    "alpha": 1,
}
"""By setting: values that say the same as nothing."""
