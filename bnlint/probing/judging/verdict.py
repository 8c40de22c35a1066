"""From measurements to findings: every metric judges, each verdict becomes a Finding.

A finding of the probe has no BN id: those are the contract of the static rules. Its rule is
``probe/`` and the name of the metric, so ``probe/dead-units``.
"""

from __future__ import annotations

from bnlint.domain.finding import Evidence, Finding
from bnlint.domain.probe import ProbeResult
from bnlint.probing.judging.metrics import METRICS
from bnlint.probing.judging.metrics.kinds import Metric, Verdict
from bnlint.probing.judging.places import Places

PREFIX = "probe/"


def judged(result: ProbeResult, places: Places) -> tuple[Finding, ...]:
    """The findings of all metrics, heaviest first, then in the order of METRICS and layers."""
    findings = [
        _finding(metric, verdict, result, places)
        for metric in METRICS
        for verdict in metric.judge(result)
    ]
    return tuple(sorted(findings, key=lambda f: f.severity.rank))


def _finding(metric: Metric, verdict: Verdict, result: ProbeResult, places: Places) -> Finding:
    measured = f"on {result.samples} {_source(result)} samples on {result.device}"
    return Finding(
        rule=PREFIX + metric.name,
        name=metric.name,
        severity=verdict.severity,
        message=verdict.message,
        location=places.of(verdict.layer),
        model=result.model,
        layer=verdict.layer,
        evidence=Evidence(measured, verdict.values),
    )


def _source(result: ProbeResult) -> str:
    return "noise" if result.source == "synthetic" else "given"
