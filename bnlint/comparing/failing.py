"""Which answers make a run fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bnlint.domain.model_comparison import (
    CHANGED,
    IDENTICAL,
    REMOVED,
    ComparisonReport,
    ModelComparison,
)


def _checkpoint(each: ModelComparison) -> bool:
    return each.checkpoint is not None and each.checkpoint.loads is False


def _function(each: ModelComparison) -> bool:
    if each.function is not None and each.function.compared:
        return each.function.equal is False
    return each.verdict == CHANGED


def _graph(each: ModelComparison) -> bool:
    return bool(each.graph) or each.verdict in (REMOVED, CHANGED)


def _findings(each: ModelComparison) -> bool:
    return bool(each.new_findings) and each.verdict != IDENTICAL


_HOLDS: Mapping[str, Callable[[ModelComparison], bool]] = {
    "checkpoint": _checkpoint,
    "function": _function,
    "graph": _graph,
    "findings": _findings,
}

ANSWERS = tuple(_HOLDS)
"""What a run can fail on."""


def fails(report: ComparisonReport, answers: Sequence[str]) -> bool:
    """Whether one of the answers holds for a model."""
    return any(_HOLDS[answer](each) for answer in answers for each in report.comparisons)
