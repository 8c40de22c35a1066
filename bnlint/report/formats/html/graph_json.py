"""The graphs of a page as data for its scripts, with the findings on their nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bnlint.domain.finding import Finding, Report
from bnlint.domain.graph import Location, ModelGraph, Op, Value
from bnlint.layers.table import having
from bnlint.report import RenderOptions
from bnlint.report.editor_links import file_link
from bnlint.report.formats.html.markup import lines, shape
from bnlint.report.lines import plain

LIMIT = 50_000
"""The most operations on one page; further graphs are left out, and the page says so."""

_JOINS = having("acts", "merging")
_PLAIN = {"registered": True, "grad": True, "call-index": 0, "calls": 1}
"""Facts that are left out where they have these values."""

_FIRST = ("kernel-size", "stride", "padding", "dilation", "groups")
"""Facts that come before the others: who looks at a layer looks for them."""


def graph_data(report: Report, options: RenderOptions) -> str:
    """JSON that is safe in a script element: graphs, their findings, files, facts."""
    writer = _GraphWriter(options)
    found = [writer.finding(finding) for finding in report.findings]
    kept = _fitting(report)
    data = {
        "findings": found,
        "graphs": [writer.graph(graph, report) for graph in kept],
        "left": len(report.graphs) - len(kept),
        "files": writer.files,
        "facts": writer.facts,
    }
    return safe_json(data)


def safe_json(data: Any) -> str:
    """ASCII without characters that could end the element, so that every name stays a string."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def graph_entry(graph: ModelGraph, options: RenderOptions) -> dict[str, Any]:
    """One graph by itself, without findings."""
    return _GraphWriter(options).graph(graph, Report())


def _fitting(report: Report) -> list[ModelGraph]:
    """The graphs that fit into the limit, in their order; those with findings take precedence."""
    named = {finding.model for finding in report.findings}
    graphs = list(enumerate(report.graphs))
    kept, room = [], LIMIT
    for place, graph in sorted(graphs, key=lambda pair: pair[1].ref.name not in named):
        if len(graph.ops) <= room:
            room -= len(graph.ops)
            kept.append(place)
    return [report.graphs[place] for place in sorted(kept)]


@dataclass(slots=True)
class _GraphWriter:
    """Writes graphs; repeated files and sets of facts are written once."""

    options: RenderOptions
    files: list[tuple[str, str]] = field(default_factory=list)
    facts: list[dict[str, str]] = field(default_factory=list)
    _known: dict[object, int] = field(default_factory=dict)

    def finding(self, finding: Finding) -> dict[str, Any]:
        evidence, fix = finding.evidence, finding.fix
        return {
            "rule": plain(finding.rule),
            "name": plain(finding.name),
            "severity": finding.severity.value,
            "message": lines(finding.message),
            "at": self._at(finding.location),
            "related": [
                [plain(r.layer), plain(r.message), self._at(r.location)] for r in finding.related
            ],
            "evidence": plain(evidence.summary) if evidence else "",
            "fix": plain(f"{fix.message} ({fix.safety})") if fix else "",
        }

    def graph(self, graph: ModelGraph, report: Report) -> dict[str, Any]:
        number = {op.id: index for index, op in enumerate(graph.ops)}
        ends = ((number.get(e.source), number.get(e.target)) for e in graph.edges)
        ref = graph.ref
        return {
            "name": plain(ref.name),
            "file": plain(self.options.relative(ref.file)),
            "at": self._at(ref.definition),
            "about": {
                "found as": plain(f"{ref.origin} {ref.arguments}".strip()),
                "input": f"{ref.inputs.origin} {' '.join(map(shape, ref.inputs.shapes))}".strip(),
                "traced by": graph.trace.tracer + ("" if graph.trace.complete else ", partly"),
                "parameters": f"{graph.parameters:,}",
            },
            "classes": {m.path: plain(str(m.facts.get("class", ""))) for m in graph.modules},
            "nodes": [self._node(op) for op in graph.ops],
            "edges": sorted({e for e in ends if None not in e}),
            "marks": list(_marks(graph, report)),
        }

    def _node(self, op: Op) -> dict[str, Any]:
        whole = op.layer == op.module
        facts = {
            name: plain(_value(value))
            for name, value in sorted(op.facts.items(), key=_place_among_facts)
            if name != "class" and (name not in _PLAIN or _PLAIN[name] != value)
        }
        node = {
            "layer": plain(op.layer),
            "group": plain(op.module.rpartition(".")[0] if whole else op.module),
            "kind": plain(op.kind),
            "family": _family(op),
            "class": plain(str(op.facts.get("class", ""))),
            "in": [shape(s) if s is not None else "?" for s in op.inputs],
            "out": [shape(s) if s is not None else "?" for s in op.outputs],
            "built": self._at(op.construction),
            "called": self._at(op.call),
            "error": plain(op.error or ""),
            "call": (int(str(op.facts.get("call-index") or 0)) + 1) if whole else 1,
            "facts": self._once(facts, self.facts),
        }
        if node["call"] == 1:
            del node["call"]
        return {name: value for name, value in node.items() if value not in ("", [], None)}

    def _at(self, at: Location | None) -> tuple[int, int, int] | None:
        if at is None or not at.path:
            return None
        name = self.options.relative(at.path) + (f":cell {at.cell}" if at.cell else "")
        shown = plain(name), file_link(at.path, at.cell, self.options)
        return self._once(shown, self.files), at.line, at.column

    def _once(self, item: Any, row: list[Any]) -> int:
        """The index of the item in the row, to which it is appended when it is new."""
        key = (id(row), repr(item))
        if key not in self._known:
            self._known[key] = len(row)
            row.append(item)
        return self._known[key]


def _family(op: Op) -> str:
    if op.tags & _JOINS:
        return "join"
    shown = op.tags & having("shown", "apart")
    return "norm" if "norm" in shown else next(iter(shown), "other")


def _place_among_facts(fact: tuple[str, Value]) -> tuple[int, str]:
    name, _ = fact
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST)), name


def _value(value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _marks(graph: ModelGraph, report: Report) -> Iterator[dict[str, Any]]:
    """Where findings show on the graph: the nodes each is about, and those it involves."""
    name, alone = graph.ref.name, len(report.graphs) == 1
    twins = sum(other.ref.name == name for other in report.graphs)
    for number, finding in enumerate(report.findings):
        layers = {layer for model, layer in finding.also if model == name}
        files = {finding.location.path, *(anchor.path for anchor in finding.anchors)}
        named = finding.model == name or any(model == name for model, _ in finding.also)
        # A probed model may be named by its class, the traced one by its call.
        meant = twins == 1 or graph.ref.file in files if named else alone and finding.model
        if not meant:
            continue
        if finding.model == name or alone:
            layers.add(finding.layer)
        layers -= {""}
        related = {r.layer for r in finding.related} - {""}
        yield {
            "finding": number,
            "nodes": [index for index, op in enumerate(graph.ops) if op.layer in layers],
            "related": [index for index, op in enumerate(graph.ops) if op.layer in related],
            "groups": sorted(layers),
        }
