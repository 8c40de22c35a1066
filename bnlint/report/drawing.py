"""The drawing of ``--graph``: a model as a table of its operations in the order of execution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bnlint.domain.graph import ModelGraph, Op, Shape


def drawn(graph: ModelGraph) -> str:
    """A heading, a line for each operation, and the parts that could not be seen into."""
    return "\n".join(_lines(graph))


def _lines(graph: ModelGraph) -> Iterator[str]:
    ref = graph.ref
    given = ", ".join(_shape(s) for s in ref.inputs.shapes)
    how = f"{graph.trace.tracer}{'' if graph.trace.complete else ', not complete'}"
    yield f"{ref.name} ({how}; input: {given or 'none known'})"
    sources: dict[str, list[str]] = {}
    number = {op.id: i for i, op in enumerate(graph.ops)}
    for edge in graph.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    rows = [_row(op, number, sources.get(op.id, [])) for op in graph.ops]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[4]]).rstrip()
    for part in graph.trace.opaque:
        yield f"not seen into: {part.path or 'the model'}: {part.reason}"


def _row(op: Op, number: Mapping[str, int], sources: Iterable[str]) -> tuple[str, ...]:
    reads = ",".join(str(number[s]) for s in sources)
    shape = " ".join(_shape(s) for s in op.outputs[:1] if s is not None)
    line = str(op.location.line) if op.location else ""
    return (
        f"{number[op.id]:>4}",
        f"<- {reads}" if reads else "",
        op.kind,
        f"{op.layer}{':' + line if line else ''}",
        shape + (f"  {op.error}" if op.error else ""),
    )


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))
