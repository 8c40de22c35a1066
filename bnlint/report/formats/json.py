"""JSON, version 1: fields are only ever added."""

from __future__ import annotations

from typing import Any

from bnlint.domain.codec import encode
from bnlint.domain.finding import Finding, Fix, ModelSummary, Problem, Report
from bnlint.domain.graph import Location, TrainingCode
from bnlint.domain.model_cost import ModelCost
from bnlint.report import Format, RenderOptions
from bnlint.report.lines import counts, fixable
from bnlint.report.strict_json import json_text

VERSION = 1


def render(report: Report, options: RenderOptions) -> str:
    """The whole report as one JSON document."""
    return json_text(document(report, options))


def document(report: Report, options: RenderOptions) -> dict[str, Any]:
    """The report as JSON-ready data."""
    return {
        "version": VERSION,
        "tool": {"name": "bnlint", "version": options.version, "torch": report.torch},
        "summary": {
            "models": len(report.models),
            "not_checked": len(report.not_checked()),
            "findings": counts(report),
            "problems": len(report.problems),
            "suppressed": report.suppressed,
            "baselined": report.baselined,
            "unchanged": report.unchanged,
            "fixable": fixable(report),
            "undecided": {u.rule: u.count for u in report.undecided},
        },
        "models": [_model(model, options) for model in report.models],
        "findings": [_finding(finding, options) for finding in report.findings],
        "problems": [problem_entry(problem, options) for problem in report.problems],
    }


def _model(model: ModelSummary, options: RenderOptions) -> dict[str, Any]:
    ref, trace = model.ref, model.trace
    return {
        "file": options.relative(ref.file),
        "name": ref.name,
        "origin": ref.origin,
        "arguments": ref.arguments,
        "guessed": list(ref.guessed),
        "found": _place(ref.found, options) if ref.found else None,
        "tracer": trace.tracer,
        "complete": trace.complete,
        "opaque": [{"path": part.path, "reason": part.reason} for part in trace.opaque],
        "guessed_parts": list(trace.guessed),
        "inputs": {"source": ref.inputs.source, "shapes": encode(ref.inputs.shapes)},
        "ops": model.ops,
        "batchnorms": model.batchnorms,
        "parameters": model.parameters,
        "training": _training(model.training, options),
        "cost": cost_entry(model.cost) if model.cost else None,
    }


def _training(code: TrainingCode, options: RenderOptions) -> dict[str, Any]:
    return {
        "losses": [
            {
                "loss": use.loss,
                "result": use.result,
                "after": list(use.after),
                **_place(use.place, options),
            }
            for use in code.losses
        ],
        "evaluated": _place(code.evaluated, options) if code.evaluated else None,
        "switched": code.switched,
    }


def cost_entry(cost: ModelCost) -> dict[str, Any]:
    """What a model costs, then each layer that costs something; null is what is not known."""
    return {
        "parameters": cost.parameters,
        "trainable": cost.trainable,
        "tied": cost.tied,
        "unused": cost.unused,
        "multiply_adds": cost.multiply_adds,
        "activation_bytes": cost.activation_bytes,
        "uncounted": list(cost.uncounted),
        "layers": [
            {
                "layer": each.layer,
                "kind": each.kind,
                "parameters": each.parameters,
                "multiply_adds": each.multiply_adds,
                "activation_bytes": each.activation_bytes,
            }
            for each in cost.layers
        ],
    }


def _finding(finding: Finding, options: RenderOptions) -> dict[str, Any]:
    evidence = finding.evidence
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity.value,
        "message": finding.message,
        **_place(finding.location, options),
        "model": finding.model,
        "layer": finding.layer,
        "layers": _layers(finding),
        "related": [
            {"layer": r.layer, **_place(r.location, options), "message": r.message}
            for r in finding.related
        ],
        "count": finding.count,
        "fingerprint": finding.fingerprint,
        "fix": _fix(finding.fix, options) if finding.fix else None,
        "evidence": evidence and {"summary": evidence.summary, "values": encode(evidence.values)},
    }


def _layers(finding: Finding) -> list[str]:
    """Every layer that the finding is about; another model's is named with its model."""
    others = [
        layer if model == finding.model else f"{model}: {layer}" for model, layer in finding.also
    ]
    return [layer for layer in (finding.layer, *others) if layer]


def _place(at: Location | None, options: RenderOptions) -> dict[str, Any]:
    path = options.relative(at.path) if at else None
    cell = {"cell": at.cell} if at and at.cell else {}
    return {"file": path, **cell, "line": at and at.line, "column": at and at.column}


def _fix(fix: Fix, options: RenderOptions) -> dict[str, Any]:
    edits = [
        {
            **_place(edit.location, options),
            "end_line": edit.location.end_line,
            "end_column": edit.location.end_column,
            "replacement": edit.replacement,
        }
        for edit in fix.edits
    ]
    return {"message": fix.message, "safety": fix.safety, "edits": edits}


def problem_entry(problem: Problem, options: RenderOptions) -> dict[str, Any]:
    """What could not be checked, as JSON-ready data."""
    return {
        "kind": problem.kind.value,
        "file": options.relative(problem.file),
        **({"cell": problem.cell} if problem.cell else {}),
        "line": problem.line,
        "message": problem.message,
        "hint": problem.hint,
        "model": problem.model,
        "blocking": problem.blocking,
    }


FORMAT = Format(render, complete=True)
