"""Comparisons as JSON, version 1: fields are only ever added."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from bnlint.domain.codec import encode
from bnlint.domain.finding import Finding
from bnlint.domain.graph import Location
from bnlint.domain.model_comparison import (
    CheckpointAnswer,
    ComparedSide,
    ComparisonReport,
    FunctionAnswer,
    GraphAnswer,
    LayerChange,
    ModelComparison,
)
from bnlint.domain.model_cost import ModelCost
from bnlint.report import RenderOptions
from bnlint.report.formats.json import problem_entry

VERSION = 1


def render(report: ComparisonReport, options: RenderOptions) -> str:
    """The whole report as one JSON document."""
    return json.dumps(document(report, options), indent=2) + "\n"


def document(report: ComparisonReport, options: RenderOptions) -> dict[str, Any]:
    """The report as JSON-ready data."""
    return {
        "version": VERSION,
        "tool": {"name": "bnlint", "version": options.version, "torch": report.torch},
        "comparisons": [_comparison(each, options) for each in report.comparisons],
        "problems": [problem_entry(problem, options) for problem in report.problems],
    }


def _comparison(each: ModelComparison, options: RenderOptions) -> dict[str, Any]:
    return {
        "file": options.relative(each.file),
        "model": each.model,
        "old": _side(each.old, options),
        "new": _side(each.new, options),
        "verdict": each.verdict,
        "checkpoint": each.checkpoint and _checkpoint(each.checkpoint),
        "function": each.function and _function(each.function, options),
        "graph": _graph(each.graph, options) if each.graph is not None else None,
        "cost": _cost(each.cost),
        "findings": {
            "new": [finding.rule for finding in each.new_findings],
            "gone": [finding.rule for finding in each.gone_findings],
            "places": [_finding(finding, options) for finding in each.new_findings],
        },
        "reason": each.reason or None,
    }


def _side(side: ComparedSide | None, options: RenderOptions) -> dict[str, Any] | None:
    if side is None:
        return None
    return {
        "revision": side.revision or None,
        "file": options.relative(side.file),
        "model": side.model or None,
    }


def _checkpoint(answer: CheckpointAnswer) -> dict[str, Any]:
    return {
        "loads": answer.loads,
        "missing": list(answer.missing),
        "unexpected": list(answer.unexpected),
        "reshaped": [
            {"key": r.key, "old": list(r.old), "new": list(r.new)} for r in answer.reshaped
        ],
        "renamed": [{"old": r.old, "new": r.new} for r in answer.renamed],
        "loads_with_renames": answer.loads_with_renames,
        "reason": answer.reason or None,
    }


def _function(answer: FunctionAnswer, options: RenderOptions) -> dict[str, Any]:
    first = answer.first_difference
    return {
        "compared": answer.compared,
        "equal": answer.equal,
        "exact": answer.exact if answer.compared else None,
        "max_difference": {
            mode: value if isfinite(value) else None
            for mode, value in answer.max_difference.items()
        },
        "first_difference": first and {"layer": first.layer, **_place(first.location, options)},
        "tolerance": answer.tolerance,
        "dtype": answer.dtype or None,
        "reason": answer.reason or None,
    }


def _graph(answer: GraphAnswer, options: RenderOptions) -> dict[str, Any]:
    def plain(changes: Iterable[LayerChange]) -> list[dict[str, Any]]:
        return [_change(change, options) for change in changes]

    changed = [
        {
            "layer": c.layer,
            "setting": c.setting,
            "old": encode(c.old),
            "new": encode(c.new),
            "kind": c.kind,
            "count": c.count,
            **_place(c.location, options),
        }
        for c in answer.changed
    ]
    return {
        "added": plain(answer.added),
        "removed": plain(answer.removed),
        "moved": plain(answer.moved),
        "changed": changed,
        "complete": answer.complete,
    }


def _change(change: LayerChange, options: RenderOptions) -> dict[str, Any]:
    return {
        "layer": change.layer,
        "kind": change.kind,
        **_place(change.location, options),
        "detail": change.detail or None,
        "count": change.count,
    }


def _cost(sides: Sequence[ModelCost | None]) -> dict[str, Any]:
    names = ("parameters", "trainable", "tied", "unused", "multiply_adds", "activation_bytes")
    found: dict[str, Any] = {
        name: [getattr(side, name) if side else None for side in sides] for name in names
    }
    found["uncounted"] = [list(side.uncounted) if side else [] for side in sides]
    return found


def _finding(finding: Finding, options: RenderOptions) -> dict[str, Any]:
    return {"rule": finding.rule, "layer": finding.layer, **_place(finding.location, options)}


def _place(at: Location | None, options: RenderOptions) -> dict[str, Any]:
    return {"file": options.relative(at.path) if at else None, "line": at.line if at else None}
