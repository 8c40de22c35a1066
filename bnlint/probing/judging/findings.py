"""From measurements to findings: what the metrics judge, each at the user's line."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.domain.finding import Evidence, Finding, Related
from bnlint.domain.graph import Location, ModelGraph
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import Where
from bnlint.domain.trials import CallSite
from bnlint.loading.sites import definition_of, is_local
from bnlint.probing.judging.causes import Cause, causes
from bnlint.probing.judging.metric import PREFIX

NOWHERE = Location("<model>", 1)
"""The place of a model whose source is not the user's."""

Calls = Mapping[tuple[str, int], Location | None]


def judged(
    result: ProbeResult, model: type, graph: ModelGraph | None = None
) -> tuple[Finding, ...]:
    """The findings of all metrics: causes first, in the order in which they begin.

    Each points at the call in the traced graph that was measured, at the user's line that made it,
    or at the definition of the ``model`` if that is the user's.
    """
    calls = {(op.layer, op.number): op.location for op in graph.ops} if graph else {}
    home = (graph.ref.definition if graph else None) or _own_definition(model)
    return tuple(_finding(cause, result, calls, home) for cause in causes(result))


def _own_definition(model: type) -> Location:
    found = definition_of(model)
    return found if found is not None and is_local(found.path) else NOWHERE


def _place(at: Where | None, calls: Calls) -> Location | None:
    """The user's line of a call, or of the nearest module that holds its layer."""
    if at is None:
        return None
    own: Location | None = getattr(at, "location", None)
    exact = calls.get((at.layer, at.call))
    if not calls or isinstance(at, CallSite):
        exact = own or exact
    layer = at.layer
    while exact is None and layer:
        exact = calls.get((layer, 0))
        layer = layer.rpartition(".")[0]
    return exact or own


def _finding(cause: Cause, result: ProbeResult, calls: Calls, home: Location) -> Finding:
    source = "noise" if result.source == "synthetic" else "given"
    measured = f"on {result.samples} {source} samples on {result.device}"
    at = cause.verdict.at
    return Finding(
        rule=PREFIX + cause.metric.name,
        name=cause.metric.name,
        severity=cause.severity,
        message=cause.text(),
        location=_place(at, calls) or home,
        model=result.model,
        layer=at.layer if at is not None else "",
        related=tuple(_related(follow, calls) for follow in cause.follows),
        evidence=Evidence(measured, cause.verdict.values),
        anchors=(home,),
    )


def _related(cause: Cause, calls: Calls) -> Related:
    at = cause.verdict.at
    said = f"{cause.metric.name}: {cause.verdict.message}"
    return Related(at.layer if at is not None else "", _place(at, calls), said)
