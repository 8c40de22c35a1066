"""What the measurement says about a static finding, attached to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bnlint.domain.finding import Evidence, Finding, Report
from bnlint.domain.probe import ActivationStats, ProbeResult, Variant

Layers = tuple[str, ...]
Weigh = Callable[[Layers, ProbeResult], Evidence | None]


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


def layers_to_measure(measure: str, report: Report) -> list[str]:
    """The layers on which ``measure`` would bear a finding of the report out."""
    wanted = (finding.measurable for finding in report.findings)
    return [layer for w in wanted if w is not None and w.measure == measure for layer in w.layers]


def _evidence(finding: Finding, result: ProbeResult) -> Evidence | None:
    wanted = finding.measurable
    weigh = EVIDENCE.get(wanted.measure) if wanted is not None else None
    return weigh(wanted.layers, result) if wanted is not None and weigh is not None else None


def _activation(layers: Layers, result: ProbeResult) -> ActivationStats | None:
    """The first of the layers that is a measured activation."""
    rows = {a.layer: a for a in reversed(result.activations)}
    return next((rows[layer] for layer in layers if layer in rows), None)


def _on(result: ProbeResult) -> str:
    kind = "noise " if result.source == "synthetic" else ""
    return f"on {result.samples} {kind}samples"


def _not_revived(layers: Layers, result: ProbeResult) -> Evidence | None:
    """The units that are stuck before the norm comes: it cannot change their sign."""
    a = _activation(layers, result)
    if a is None:
        return None
    if a.saturated is not None:
        text = f"{a.saturated:.0%} of the values that enter {a.layer} are saturated"
        return Evidence(f"{text} {_on(result)}", {"saturated": a.saturated})
    if a.dead is None:
        return None
    count = len(a.dead_units)
    if count == 0:
        text = f"no unit of {a.layer} is stuck, so there is none that this norm could not revive"
    else:
        text = f"{count} of {a.units} units of {a.layer} are dead and stay dead behind this norm"
    return Evidence(f"{text} ({_on(result)})", {"dead": a.dead, "units": a.units, **_listed(a)})


def _listed(a: ActivationStats) -> Mapping[str, tuple[int, ...]]:
    return {"dead-units": a.dead_units[:20]} if a.dead_units else {}


def _with_and_without(layers: Layers, result: ProbeResult) -> Evidence | None:
    """Dead, frozen and signal shares at the activation that lacks a norm, and with one."""
    a = _activation(layers, result)
    if a is None:
        return None
    values = {"without": _shares(a)}
    text = f"at {a.layer}: {_shown(a)} as it is"
    before = _variant(result, "before")
    normed = _row(before, a) if before is not None else None
    if normed is not None:
        values["with"] = _shares(normed)
        text += f"; {_shown(normed)} with a norm before each activation"
    return Evidence(f"{text} ({_on(result)})", values)


def _shares(a: ActivationStats) -> tuple[float | None, ...]:
    return (a.dead, a.frozen, a.signal)


def _shown(a: ActivationStats) -> str:
    shares = [] if a.dead is None else [f"{a.dead:.0%} dead", f"{a.frozen or 0:.0%} frozen"]
    signal = "no signal to compare" if a.signal is None else f"signal {a.signal:.1e}"
    return ", ".join((*shares, signal))


def _variant(result: ProbeResult, name: str) -> Variant | None:
    variants = result.comparison.variants if result.comparison else ()
    return next((v for v in variants if v.name == name and not v.error), None)


def _row(variant: Variant, like: ActivationStats) -> ActivationStats | None:
    same = (a for a in variant.activations if (a.layer, a.call) == (like.layer, like.call))
    return next(same, None)


def _bias(layers: Layers, result: ProbeResult) -> Evidence | None:
    change = next((result.biases[layer] for layer in layers if layer in result.biases), None)
    if change is None:
        return None
    text = f"adding N(0, 1) to the bias changes the output by {change:.1e} of its spread"
    return Evidence(f"{text} ({_on(result)})", {"change": change})


def _calls(layers: Layers, result: ProbeResult) -> Evidence | None:
    rows = [n for n in result.norms if n.layer in layers and n.call_distance is not None]
    if not rows:
        return None
    far = max(n.call_distance or 0.0 for n in rows)
    text = f"the means that its {len(rows)} calls see lie up to {far:.2g} sigma apart"
    return Evidence(f"{text} ({_on(result)})", {"distance": far, "calls": len(rows)})


def _gradient(_: Layers, result: ProbeResult) -> Evidence | None:
    ratio = result.gradient_ratio
    if ratio is None:
        return None
    text = f"the gradient at the first kernel is {ratio:.1e} of that at the last"
    return Evidence(f"{text} ({_on(result)})", {"ratio": ratio})


EVIDENCE: Mapping[str, Weigh] = {
    "stuck-units": _not_revived,
    "with-a-norm": _with_and_without,
    "bias-effect": _bias,
    "call-distance": _calls,
    "gradient-ratio": _gradient,
}
"""How each of ``domain.rule.MEASURES`` is put into words; rules name one in ``evidence``."""
