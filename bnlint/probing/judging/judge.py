"""From measurements to findings: every metric judges, each verdict becomes a Finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from bnlint.domain.finding import Evidence, Finding
from bnlint.domain.graph import Location, ModelGraph
from bnlint.domain.probe import ProbeResult
from bnlint.loading.sites import definition_of
from bnlint.probing.judging.metric import PREFIX, Metric, Verdict, metrics


@dataclass(frozen=True, slots=True)
class Places:
    """Source locations by layer name; an unknown layer gets that of the model's definition."""

    model: Location
    layers: Mapping[str, Location] = field(default_factory=dict)

    def of(self, layer: str) -> Location:
        """The location of a layer, of the nearest module that holds it, or of the model."""
        while layer:
            if layer in self.layers:
                return self.layers[layer]
            layer = layer.rpartition(".")[0]
        return self.model


def places(model: nn.Module, graph: ModelGraph | None) -> Places:
    """The places in a model's traced graph; without a graph only its class definition."""
    found = {op.layer: op.location for op in graph.ops if op.location} if graph else {}
    if graph is not None and graph.ref.definition is not None:
        return Places(graph.ref.definition, found)
    return Places(definition_of(type(model)) or Location("<model>", 1), found)


def judged(result: ProbeResult, places: Places) -> tuple[Finding, ...]:
    """The findings of all metrics, gravest first, then in the order of metrics and layers."""
    findings = [
        _finding(metric, verdict, result, places)
        for metric in metrics()
        for verdict in metric.judge(result)
    ]
    return tuple(sorted(findings, key=lambda f: f.severity.rank))


def _finding(metric: Metric, verdict: Verdict, result: ProbeResult, places: Places) -> Finding:
    source = "noise" if result.source == "synthetic" else "given"
    measured = f"on {result.samples} {source} samples on {result.device}"
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
