"""The face of the pipeline; its story is :mod:`bnlint.pipeline.run`."""

from bnlint.pipeline.handbook import explain
from bnlint.pipeline.rulebook import (
    known_rules,
    live_rules,
    read_rules,
    rule_infos,
    weights,
)
from bnlint.pipeline.run import (
    Means,
    check,
    check_live,
    check_whole,
    find_sources,
    show_graphs,
    trace_live,
)

__all__ = [
    "Means",
    "check",
    "check_live",
    "check_whole",
    "explain",
    "find_sources",
    "known_rules",
    "live_rules",
    "read_rules",
    "rule_infos",
    "show_graphs",
    "trace_live",
    "weights",
]
