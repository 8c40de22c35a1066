"""SARIF 2.1.0, for code scanning and editors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bnlint.domain.finding import Finding, Fix, Problem, Report, Severity
from bnlint.domain.graph import Location
from bnlint.report import Format, RenderOptions, RuleInfo
from bnlint.report.lines import in_cell, in_file, of_model, with_hint
from bnlint.report.rule_links import rule_link
from bnlint.report.strict_json import json_text

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_BASE = "SRCROOT"


def render(report: Report, options: RenderOptions) -> str:
    """A SARIF log with one run."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report, options)]}
    return json_text(log)


def _run(report: Report, options: RenderOptions) -> dict[str, Any]:
    rules = _rules(report, options)
    index = {rule.id: number for number, rule in enumerate(rules)}
    driver = {
        "name": "bnlint",
        **({"version": options.version} if options.version else {}),
        "rules": [_rule(rule, options) for rule in rules],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not report.unchecked(),
                "toolExecutionNotifications": [_notification(p, options) for p in report.problems],
            }
        ],
        "results": [_result(finding, index, options) for finding in report.findings],
    }
    if options.root:
        root = Path(options.root).as_uri().rstrip("/") + "/"
        run["originalUriBaseIds"] = {_BASE: {"uri": root}}
    return run


def _rules(report: Report, options: RenderOptions) -> Sequence[RuleInfo]:
    """The known rules, and those that fired without being known, sorted by id."""
    fired = {f.rule: RuleInfo(f.rule, f.name, f.severity, f.name) for f in report.findings}
    return [info for _, info in sorted((fired | dict(options.rules)).items())]


def _rule(rule: RuleInfo, options: RenderOptions) -> dict[str, Any]:
    references = "\n".join(f"- {reference}" for reference in rule.references)
    parts = [rule.why, rule.evidence, rule.instead]
    text = "\n\n".join(part.strip() for part in (*parts, references) if part.strip())
    shown = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.summary or rule.name},
        "defaultConfiguration": {"level": _LEVELS[rule.severity], "enabled": rule.enabled},
        "properties": {"tags": ["pytorch", "model-graph"]},
    }
    if text:
        markdown = f"# {rule.id} {rule.name}\n\n{text}"
        shown["fullDescription"] = {"text": (rule.why or rule.summary).strip()}
        shown["help"] = {"text": text, "markdown": markdown}
    if page := rule_link(rule.id, options.docs_url):
        shown["helpUri"] = page
    return shown


def _result(finding: Finding, index: dict[str, int], options: RenderOptions) -> dict[str, Any]:
    measured = f" Measured: {finding.evidence.summary}" if finding.evidence else ""
    said = in_cell(finding.location) + finding.message
    location = _place(finding.location, options)
    if finding.layer:
        name = ".".join(filter(None, (finding.model, finding.layer)))
        location["logicalLocations"] = [{"name": finding.layer, "fullyQualifiedName": name}]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{said}{of_model(finding.model)}{measured}"},
        "locations": [location],
        "partialFingerprints": {"bnlint/v1": finding.fingerprint or "none"},
        "properties": {"model": finding.model, "layer": finding.layer, "count": finding.count},
    }
    related = [
        {
            "id": number,
            **_place(r.location, options),
            "message": {"text": in_cell(r.location) + r.message},
        }
        for number, r in enumerate(finding.related)
        if r.location
    ]
    if related:
        result["relatedLocations"] = related
    if finding.fix:
        result["fixes"] = [_fix(finding.fix, options)]
    return result


def _place(at: Location, options: RenderOptions) -> dict[str, Any]:
    artifact = _artifact(at.path, options)
    return {"physicalLocation": {"artifactLocation": artifact, "region": _region(at)}}


def _artifact(path: str, options: RenderOptions) -> dict[str, str]:
    relative = options.relative(path)
    if Path(relative).is_absolute():
        return {"uri": Path(relative).as_uri()}
    return {"uri": quote(os.fsencode(relative))} | ({"uriBaseId": _BASE} if options.root else {})


def _region(at: Location) -> dict[str, int]:
    at = in_file(at)
    region = {"startLine": max(at.line, 1), "startColumn": max(at.column, 1)}
    if at.end_line:
        region |= {"endLine": at.end_line, "endColumn": max(at.end_column, 1)}
    return region


def _fix(fix: Fix, options: RenderOptions) -> dict[str, Any]:
    """The edits grouped by file, as the format requires."""
    by_file: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits:
        by_file.setdefault(edit.location.path, []).append(
            {"deletedRegion": _region(edit.location), "insertedContent": {"text": edit.replacement}}
        )
    changes = [
        {"artifactLocation": _artifact(path, options), "replacements": replacements}
        for path, replacements in by_file.items()
    ]
    return {"description": {"text": fix.message}, "artifactChanges": changes}


def _notification(problem: Problem, options: RenderOptions) -> dict[str, Any]:
    at = Location(problem.file, max(problem.line, 1), cell=problem.cell)
    return {
        "level": "warning" if problem.blocking else "note",
        "message": {"text": in_cell(at) + with_hint(problem)},
        "descriptor": {"id": problem.kind.value},
        "locations": [_place(at, options)],
    }


FORMAT = Format(render, complete=True, rules=True, checkout="GITHUB_WORKSPACE")
