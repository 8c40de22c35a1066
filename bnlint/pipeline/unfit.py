"""What to say of inputs that were given by hand, and that the model's forward does not take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bnlint.domain.finding import Finding, Problem, ProblemKind, Severity
from bnlint.domain.graph import Inputs, Location, ModelGraph, Op
from bnlint.domain.phrases import first_line
from bnlint.domain.request import InputSpec


def unfit_inputs(graph: ModelGraph, findings: Iterable[Finding]) -> Iterator[Problem]:
    """A problem where a given input reached nothing, or failed where no finding says why.

    Inputs that bnlint inferred are its own affair, and say nothing about the model.
    """
    given = graph.ref.inputs
    if given.source != "declared" or not given.shapes:
        return
    failed = next((op for op in graph.ops if op.error), None)
    explained = {f.layer for f in findings if f.severity is Severity.ERROR}
    entries = [op.layer for op in graph.ops if op.kind == "input"]
    if failed is None and entries and not any(_seen(op) for op in graph.ops):
        takes = f"forward takes {', '.join(entries)}"
        said = f"{_written(given)} does not fit: {takes}"
        yield _problem(graph, said, graph.ref.definition)
    elif failed is not None and failed.layer not in explained:
        why = first_line(failed.error)
        said = f"{_written(given)} does not pass {failed.layer}: {why}"
        yield _problem(graph, said, failed.call or failed.construction)


def _seen(op: Op) -> bool:
    return any(shape is not None for shape in op.outputs)


def _written(given: Inputs) -> str:
    """``the given input 1x3x8x8:int64``."""
    names = given.names or ("",) * len(given.shapes)
    dtypes = given.dtypes or ("float32",) * len(given.shapes)
    specs = [InputSpec(*each) for each in zip(given.shapes, names, dtypes, strict=True)]
    return f"the given input {' '.join(spec.written() for spec in specs)}"


def _problem(graph: ModelGraph, said: str, at: Location | None) -> Problem:
    return Problem(
        ProblemKind.BAD_INPUT,
        at.path if at else graph.ref.file,
        said,
        "give another (--input, [tool.bnlint.inputs]), or none to have one inferred",
        at.line if at else 0,
        graph.ref.name,
    )
