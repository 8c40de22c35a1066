"""A traced model as a list of its classified operations, for ``--graph``."""

from __future__ import annotations

from bnlint.domain.graph import ModelGraph, Op, Shape
from bnlint.report.summary import plural


def chain(graph: ModelGraph) -> str:
    """One line an operation in the order of execution: kind, layer, shapes, and what feeds it.

    What feeds it is left out where that is just the operation before.
    """
    ref, trace = graph.ref, graph.trace
    whole = "whole" if trace.complete else f"all but {plural(len(trace.opaque), 'part')}"
    lines = [f"{ref.file}: {ref.name}, traced {whole} by {trace.tracer}"]
    sources: dict[str, list[str]] = {}
    for edge in graph.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    names = {op.id: op.layer or op.id for op in graph.ops}
    kinds = max((len(op.kind) for op in graph.ops), default=0)
    layers = max((len(op.layer) for op in graph.ops), default=0)
    before = ""
    for op in graph.ops:
        fed = list(dict.fromkeys(sources.get(op.id, ())))
        by = "" if fed in ([before], []) else "  <- " + ", ".join(names.get(s, s) for s in fed)
        lines.append(f"  {op.kind:{kinds}}  {op.layer:{layers}}  {_shapes(op)}{by}".rstrip())
        before = op.id
    lines += [f"  not seen: {part.path or ref.name}: {part.reason}" for part in trace.opaque]
    return "\n".join(lines) + "\n"


def _shapes(op: Op) -> str:
    """What comes out, and the error where the shape pass met one."""
    shapes = " ".join(map(_shape, op.outputs))
    error = f"error: {op.error.splitlines()[0]}" if op.error else ""
    return "  ".join(filter(None, (shapes, error)))


def _shape(shape: Shape | None) -> str:
    if shape is None:
        return "?"
    return "x".join(map(str, shape)) or "scalar"
