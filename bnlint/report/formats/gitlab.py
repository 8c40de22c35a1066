"""GitLab's Code Quality report."""

from __future__ import annotations

from typing import Any

from bnlint.domain.finding import Finding, Report, Severity
from bnlint.report import Format, RenderOptions
from bnlint.report.lines import in_cell, in_file, of_model
from bnlint.report.strict_json import json_text

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.INFO: "info"}


def render(report: Report, options: RenderOptions) -> str:
    """A JSON array of the findings; GitLab has no place for problems."""
    issues = [_issue(finding, options) for finding in report.findings]
    return json_text(issues)


def _issue(finding: Finding, options: RenderOptions) -> dict[str, Any]:
    at = in_file(finding.location)
    said = f"{in_cell(finding.location)}{finding.message}{of_model(finding.model)}"
    return {
        "description": f"{finding.rule} {finding.name}: {said}",
        "check_name": finding.rule,
        "fingerprint": finding.fingerprint,
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": options.relative(at.path),
            "lines": {"begin": at.line, "end": max(at.line, at.end_line)},
        },
    }


FORMAT = Format(render, checkout="CI_PROJECT_DIR")
