"""JSON, version 1: fields are only ever added."""

from __future__ import annotations

import json
from typing import Any

from bnlint.domain.codec import encode
from bnlint.domain.finding import Evidence, Finding, Fix, ModelSummary, Problem, Related, Report
from bnlint.report import RenderOptions
from bnlint.report.formats import Format
from bnlint.report.lines import counts

VERSION = 1


def render(report: Report, options: RenderOptions) -> str:
    """The whole report as one JSON document."""
    return json.dumps(document(report, options), indent=2) + "\n"


def document(report: Report, options: RenderOptions) -> dict[str, Any]:
    """The report as JSON-ready data."""
    return {
        "version": VERSION,
        "tool": {"name": "bnlint", "version": options.version, "torch": report.torch},
        "summary": {
            "models": len(report.models),
            "findings": counts(report),
            "problems": len(report.problems),
            "suppressed": report.suppressed,
            "baselined": report.baselined,
            "unchanged": report.unchanged,
            "undecided": {u.rule: u.count for u in report.undecided},
        },
        "models": [_model(model, options) for model in report.models],
        "findings": [_finding(finding, options) for finding in report.findings],
        "problems": [_problem(problem, options) for problem in report.problems],
    }


def _model(model: ModelSummary, options: RenderOptions) -> dict[str, Any]:
    ref, trace = model.ref, model.trace
    return {
        "file": options.relative(ref.file),
        "name": ref.name,
        "origin": ref.origin,
        "arguments": ref.arguments,
        "guessed": list(ref.guessed),
        "tracer": trace.tracer,
        "complete": trace.complete,
        "opaque": [{"path": part.path, "reason": part.reason} for part in trace.opaque],
        "inputs": {"source": ref.inputs.source, "shapes": encode(ref.inputs.shapes)},
        "ops": model.ops,
        "batchnorms": model.batchnorms,
        "parameters": model.parameters,
    }


def _finding(finding: Finding, options: RenderOptions) -> dict[str, Any]:
    at = finding.location
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity.value,
        "message": finding.message,
        "file": options.relative(at.path),
        "line": at.line,
        "column": at.column,
        "model": finding.model,
        "layer": finding.layer,
        "related": [_related(related, options) for related in finding.related],
        "count": finding.count,
        "fingerprint": finding.fingerprint,
        "fix": _fix(finding.fix, options) if finding.fix else None,
        "evidence": _evidence(finding.evidence) if finding.evidence else None,
    }


def _related(related: Related, options: RenderOptions) -> dict[str, Any]:
    at = related.location
    return {
        "layer": related.layer,
        "file": options.relative(at.path) if at else None,
        "line": at.line if at else None,
        "column": at.column if at else None,
        "message": related.message,
    }


def _fix(fix: Fix, options: RenderOptions) -> dict[str, Any]:
    return {
        "message": fix.message,
        "safety": fix.safety,
        "edits": [
            {
                "file": options.relative(edit.location.path),
                "line": edit.location.line,
                "column": edit.location.column,
                "end_line": edit.location.end_line,
                "end_column": edit.location.end_column,
                "replacement": edit.replacement,
            }
            for edit in fix.edits
        ],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {"summary": evidence.summary, "values": encode(evidence.values)}


def _problem(problem: Problem, options: RenderOptions) -> dict[str, Any]:
    return {
        "kind": problem.kind.value,
        "file": options.relative(problem.file),
        "line": problem.line,
        "message": problem.message,
        "hint": problem.hint,
        "model": problem.model,
        "blocking": problem.blocking,
    }


FORMAT = Format(render, complete=True)
