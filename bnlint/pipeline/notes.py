"""Problems that a graph itself reveals: unfit inputs, unseen parts, and unknown operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from bnlint.domain.finding import Finding, Problem, ProblemKind, Severity
from bnlint.domain.graph import Inputs, Location, ModelGraph, Op
from bnlint.domain.phrases import first_line, listed
from bnlint.domain.request import InputSpec

_PLAIN = (
    ("inputs to control flow", "a branch hangs on the values of a tensor"),
    ("item() cannot be called on meta", "a branch hangs on the values of a tensor"),
    ("nonzero() raises unimplemented", "it selects by the values of a tensor"),
    ("Proxy object cannot be iterated", "it loops over a tensor or unpacks one"),
    ("'len' is not supported in symbolic", "it asks for the length of a tensor"),
)
"""Reasons of the tracers, in plain words."""

_NAMED = 3
"""Most parts or operations that a note names; the trace lists all."""

_MOST = 0.5
"""The share of unknown operations above which silence of the rules means nothing.

Of 125 models from nine well-known libraries, none has more than 0.32 (a graph network).
"""


def unfit_inputs(graph: ModelGraph, findings: Iterable[Finding]) -> Iterator[Problem]:
    """A problem where an input of the user reached nothing, or failed without a finding about it.

    Inputs that bnlint inferred say nothing about the model, and are not reported.
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


def unseen_parts(graph: ModelGraph) -> Iterator[Problem]:
    """A problem for the parts of the model that no tracer could see into, one for each cause."""
    without_input = graph.ref.inputs.source == "none"
    causes: dict[tuple[str, Location | None], list[str]] = {}
    for part in graph.trace.opaque:
        cause = (plain_reason(part.reason), part.location)
        causes.setdefault(cause, []).append(part.path or "its forward")
    for (reason, at), paths in causes.items():
        yield Problem(
            ProblemKind.OPAQUE_PART,
            at.path if at else graph.ref.file,
            f"{_listed(paths)} not seen whole: {reason}",
            "its layers were checked as far as they could be traced by themselves"
            + ("; an --input lets the forward run" if without_input else ""),
            at.line if at else 0,
            graph.ref.name,
        )


def unknown_operations(graph: ModelGraph) -> Iterator[Problem]:
    """A problem where the table does not know most of the model's operations.

    Rules are silent about those, so a model that consists of them is not checked.
    """
    operations = [op for op in graph.ops if op.kind not in ("input", "output", "opaque")]
    unknown = Counter(str(op.facts.get("class")) for op in operations if op.kind == "other")
    if unknown.total() <= _MOST * len(operations):
        return
    named = ", ".join(f"{name} ({count})" for name, count in unknown.most_common(_NAMED))
    at = graph.ref.definition
    yield Problem(
        ProblemKind.UNTRACEABLE,
        at.path if at else graph.ref.file,
        f"{unknown.total()} of {len(operations)} operations are of no known kind, "
        f"most often {named}",
        "rules cannot judge these; [tool.bnlint.layers] says what they are",
        at.line if at else 0,
        graph.ref.name,
    )


def _listed(paths: list[str]) -> str:
    """``a was``; ``a, b and 3 more parts were``."""
    if len(paths) > _NAMED:
        paths = [*paths[: _NAMED - 1], f"{len(paths) - _NAMED + 1} more parts"]
    return f"{listed(paths)} {'was' if len(paths) == 1 else 'were'}"


def plain_reason(reason: str) -> str:
    """The reason in plain words where they are known, else as the tracer puts it."""
    return next((words for sign, words in _PLAIN if sign in reason), reason)
