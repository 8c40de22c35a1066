"""What the probe measured for findings of rules: evidence, by the measure that a rule names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bnlint.domain.finding import Evidence, Finding, Report
from bnlint.domain.graph import Value
from bnlint.domain.phrases import percent
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats, call_name
from bnlint.probing.judging.metric import named

Calls = tuple[tuple[str, int], ...]
"""Layers, each with the number of a call of it."""

Weigh = Callable[[Calls, ProbeResult], Evidence | None]


def attach_evidence(report: Report, result: ProbeResult) -> Report:
    """The report with a measurement on each finding whose layer was measured.

    Findings about other models of the report stay as they are.
    """
    models = {f.model for f in report.findings}
    wanted = {result.model} if len(models) > 1 else models
    findings = tuple(
        replace(f, evidence=_evidence(f, result) or f.evidence) if f.model in wanted else f
        for f in report.findings
    )
    return replace(report, findings=findings)


def calls_to_measure(measure: str, report: Report) -> list[tuple[str, int]]:
    """The calls of layers on which ``measure`` would bear a finding of the report out."""
    wanted = (finding.measurable for finding in report.findings)
    return [call for w in wanted if w is not None and w.measure == measure for call in w.calls]


def _evidence(finding: Finding, result: ProbeResult) -> Evidence | None:
    wanted = finding.measurable
    weigh = EVIDENCE.get(wanted.measure) if wanted is not None else None
    return weigh(wanted.calls, result) if wanted is not None and weigh is not None else None


def _activation(calls: Calls, result: ProbeResult) -> ActivationStats | None:
    """The first of the calls that is a measured activation.

    Each call of a function is measured by itself; any call of a module is of the same layer.
    """
    rows = {(a.layer, a.call): a for a in result.activations}
    firsts = {a.layer: a for a in reversed(result.activations) if not a.layer.endswith("()")}
    found = (rows.get(call) or firsts.get(call[0]) for call in calls)
    return next(filter(None, found), None)


def _on(result: ProbeResult) -> str:
    kind = "noise " if result.source == "synthetic" else ""
    return f"on {result.samples} {kind}samples"


def _stuck(calls: Calls, result: ProbeResult) -> Evidence | None:
    """The units of the activation that get no gradient, wherever the norm is."""
    a = _activation(calls, result)
    if a is None:
        return None
    if a.saturated is not None:
        text = f"{percent(a.saturated)} of the values that enter {named(a)} are saturated"
        return Evidence(f"{text} {_on(result)}", {"saturated": a.saturated})
    if a.dead is None:
        return None
    count = len(a.dead_units)
    values: dict[str, Value] = {"dead": a.dead, "units": a.units}
    if count == 0:
        text = f"no unit of {named(a)} is dead"
    else:
        text = f"{count} of {a.units} units of {named(a)} are dead: no gradient passes them"
        values["dead-units"] = a.dead_units[:20]
    return Evidence(f"{text} ({_on(result)})", values)


def _with_and_without(calls: Calls, result: ProbeResult) -> Evidence | None:
    """Dead, frozen and signal shares at the activation that lacks a norm, and with one."""
    a = _activation(calls, result)
    if a is None:
        return None
    values = {"without": (a.dead, a.frozen, a.signal)}
    text = f"at {named(a)}: {_shown(a)} as it is"
    variants = result.comparison.variants if result.comparison else ()
    rows = (row for v in variants if v.name == "before" and not v.error for row in v.activations)
    normed = next((row for row in rows if (row.layer, row.call) == (a.layer, a.call)), None)
    if normed is not None:
        values["with"] = (normed.dead, normed.frozen, normed.signal)
        text += f"; {_shown(normed)} with a norm before each activation"
    return Evidence(f"{text} ({_on(result)})", values)


def _shown(a: ActivationStats) -> str:
    shares = (
        [] if a.dead is None else [f"{percent(a.dead)} dead", f"{percent(a.frozen or 0)} frozen"]
    )
    signal = "no signal to compare" if a.signal is None else f"signal {a.signal:.1e}"
    return ", ".join((*shares, signal))


def _bias(calls: Calls, result: ProbeResult) -> Evidence | None:
    names = (call_name(*call) for call in calls)
    change = next((result.biases[name] for name in names if name in result.biases), None)
    if change is None:
        return None
    text = f"adding N(0, 1) to the bias changes the output by {change:.1e} of its spread"
    return Evidence(f"{text} ({_on(result)})", {"change": change})


def _calls(calls: Calls, result: ProbeResult) -> Evidence | None:
    layers = {layer for layer, _ in calls}
    rows = [n for n in result.norms if n.layer in layers and n.call_distance is not None]
    if not rows:
        return None
    far = max(n.call_distance or 0.0 for n in rows)
    text = f"the means that its {len(rows)} calls see lie up to {far:.2g} sigma apart"
    return Evidence(f"{text} ({_on(result)})", {"distance": far, "calls": len(rows)})


def _gradient(_: Calls, result: ProbeResult) -> Evidence | None:
    ratio = result.gradient_ratio
    if ratio is None:
        return None
    text = f"the gradient at the first conv/linear layer is {ratio:.1e} of that at the last"
    return Evidence(f"{text} ({_on(result)})", {"ratio": ratio})


EVIDENCE: Mapping[str, Weigh] = {
    "stuck-units": _stuck,
    "with-a-norm": _with_and_without,
    "bias-effect": _bias,
    "call-distance": _calls,
    "gradient-ratio": _gradient,
}
"""How each of ``domain.rule.MEASURES`` is put into words; rules name one in ``evidence``."""
