"""The face of the pipeline; its story is :mod:`bnlint.pipeline.run`."""

from bnlint.pipeline.conclude import Coverage
from bnlint.pipeline.rulebook import (
    compiled_rules,
    explain,
    known_rules,
    read_rule_files,
    rule_infos,
    weights,
)
from bnlint.pipeline.run import (
    GraphPage,
    Means,
    check,
    check_live,
    check_whole,
    find_sources,
    show_graphs,
    trace,
    trace_live,
)

__all__ = [
    "Coverage",
    "GraphPage",
    "Means",
    "check",
    "check_live",
    "check_whole",
    "compiled_rules",
    "explain",
    "find_sources",
    "known_rules",
    "read_rule_files",
    "rule_infos",
    "show_graphs",
    "trace",
    "trace_live",
    "weights",
]
