"""bnlint: a linter for PyTorch model graphs.

The public API; everything else is free to change. Importing this package imports neither torch
nor networkx: each name loads what it needs when it is first used.
"""

from __future__ import annotations

from bnlint.domain import VERSION

TYPE_CHECKING = False  # that of ``typing`` costs more time than all else here
if TYPE_CHECKING:
    from typing import Any

    from bnlint.api import (
        ModelComparison,
        ModelGraph,
        Report,
        assert_clean,
        assert_same_function,
        check,
        check_model,
        compare,
        probe,
        repair,
        trace,
        watch,
    )
    from bnlint.domain.errors import BnlintError
    from bnlint.domain.finding import Finding, Problem, Severity
    from bnlint.domain.probe import ProbeResult

__all__ = [
    "BnlintError",
    "Finding",
    "ModelComparison",
    "ModelGraph",
    "ProbeResult",
    "Problem",
    "Report",
    "Severity",
    "__version__",
    "assert_clean",
    "assert_same_function",
    "check",
    "check_model",
    "compare",
    "probe",
    "repair",
    "trace",
    "watch",
]

__version__ = VERSION

_HOMES = {
    "BnlintError": "bnlint.domain.errors",
    "Finding": "bnlint.domain.finding",
    "Problem": "bnlint.domain.finding",
    "ProbeResult": "bnlint.domain.probe",
    "Severity": "bnlint.domain.finding",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'bnlint' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "bnlint.api")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
