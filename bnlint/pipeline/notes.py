"""Problems that a graph itself reveals: unfit inputs, unseen parts, and unknown operations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bnlint.domain.finding import Finding, Problem, ProblemKind, Severity
from bnlint.domain.graph import Inputs, Location, ModelGraph
from bnlint.domain.naming import quoted
from bnlint.domain.phrases import first_line, listed
from bnlint.domain.request import InputSpec

_PLAIN = (
    ("inputs to control flow", "data-dependent control flow"),
    ("item() cannot be called on meta", "data-dependent control flow"),
    ("nonzero() raises unimplemented", "it selects by the values of a tensor"),
    ("Proxy object cannot be iterated", "it loops over a tensor or unpacks one"),
    ("'len' is not supported in symbolic", "it asks for the length of a tensor"),
    ("slice indices must be integers or None", "it slices by the size of an input"),
    ("__cuda_array_interface__", "it needs the numbers of a tensor"),
    ("Proxy", "it computes with sizes or numbers of an input in Python"),
)
"""Reasons of the tracers, in plain words."""

_LACKING = re.compile(
    r"StubUsed: .* is needed, and (?P<package>\S+) (?P<why>is not installed|could not be imported)"
)
"""What is said of a stand-in of a package that a forward needs."""

_REMOTE = re.compile(r"NotImplementedError: (?P<said>.* is not downloaded)")
"""What a model of the hub says whose code bnlint does not load."""

_MISSING = " is not installed"
_ANOTHER = "pass another one (--input, [tool.bnlint.inputs]), or none to have one guessed"
_FAILS = "BN206"
_WHOLE = "its forward"
_NAMED = 3
"""Most parts or operations that a note names; the trace lists all."""

_MOST = 0.5
"""The share of unknown operations above which silence of the rules means nothing.

Of 125 models from nine well-known libraries, none has more than 0.32 (a graph network).
"""


def notes_on(graph: ModelGraph, findings: Sequence[Finding]) -> Iterator[Problem]:
    """Everything that the graph of one model shows could not be checked."""
    yield from unseen_parts(graph, findings)
    yield from unfit_inputs(graph, findings)
    yield from unfit_guesses(graph, findings)
    yield from unknown_operations(graph)


def unfit_inputs(graph: ModelGraph, findings: Iterable[Finding]) -> Iterator[Problem]:
    """A problem where an input of the user reached nothing, or failed without a finding about it.

    Inputs that bnlint guessed say nothing about the model, and are not reported.
    """
    given = graph.ref.inputs
    if given.source != "declared" or not given.shapes:
        return
    failed = next((op for op in graph.ops if op.error), None)
    explained = _explained(findings)
    seen = any(shape is not None for op in graph.ops for shape in op.outputs)
    entries = [op.layer for op in graph.ops if op.kind == "input"]
    if failed is None and entries and not seen:
        takes = f"forward takes {', '.join(entries)}"
        said = f"{_written(given)} does not fit: {takes}"
        yield _problem(graph, ProblemKind.BAD_INPUT, said, _ANOTHER, graph.ref.definition)
    elif failed is not None and failed.layer not in explained:
        why = first_line(failed.error)
        said = f"{_written(given)} fails at {quoted(failed.layer)}: {why}"
        at = failed.call or failed.construction
        yield _problem(graph, ProblemKind.BAD_INPUT, said, _ANOTHER, at)


def _explained(findings: Iterable[Finding]) -> frozenset[str]:
    return frozenset(f.layer for f in findings if f.severity is Severity.ERROR)


def _written(given: Inputs) -> str:
    """``the given input 1x3x8x8:int64``."""
    names = given.names or ("",) * len(given.shapes)
    dtypes = given.dtypes or ("float32",) * len(given.shapes)
    specs = [InputSpec(*each) for each in zip(given.shapes, names, dtypes, strict=True)]
    return f"the given input {' '.join(spec.written() for spec in specs)}"


def _problem(
    graph: ModelGraph, kind: ProblemKind, said: str, hint: str, at: Location | None
) -> Problem:
    path, line = (at.path, at.line) if at else (graph.ref.file, 0)
    return Problem(kind, path, said, hint, line, graph.ref.name)


def unfit_guesses(graph: ModelGraph, findings: Iterable[Finding]) -> Iterator[Problem]:
    """A problem where the forward ended with every guessed input, though others may pass.

    What an error already says of the layer is not repeated.
    """
    at = graph.trace.unfit
    if at is None or is_hidden(graph) or graph.ref.block or at.layer in _explained(findings):
        return
    if any(part.reason == at.reason for part in graph.trace.opaque):
        return  # that part is reported with this reason
    hint, place = "pass the real input, for example --input 2x3x224x224", at.location
    if graph.ref.guessed:
        inside = place is not None and place.path == graph.ref.file
        place = place if inside else graph.ref.definition  # the hint names the file of the model
        said = f"{graph.ref.arguments} has guessed arguments that do not fit together, at "
        hint = f"pass the real ones: bnlint '{Path(graph.ref.file).name}::{graph.ref.name}(...)'"
    else:
        late = "(the search for one ran out of time) " if at.cut else ""
        said = f"every guessed input fails {late}at "
    said += f"{quoted(at.layer)}: {first_line(at.reason)}"
    yield _problem(graph, ProblemKind.BAD_INPUT, said, hint, place)


def is_hidden(graph: ModelGraph) -> bool:
    """True if the model's own forward could not be traced."""
    return any(not part.path for part in graph.trace.opaque)


def unseen_parts(graph: ModelGraph, findings: Iterable[Finding] = ()) -> Iterator[Problem]:
    """A problem for the parts of the model that no tracer could see into, one for each cause.

    What a finding says of a forward that fails is not repeated.
    """
    told = {f.message for f in findings if f.rule == _FAILS}
    without_input, unfit = graph.ref.inputs.source == "none", graph.trace.unfit
    causes: dict[tuple[str, Location | None], list[str]] = {}
    for part in graph.trace.opaque:
        if any(message.endswith(part.reason.partition(": ")[2]) for message in told):
            continue
        cause = (plain_reason(part.reason), part.location)
        paths = causes.setdefault(cause, [])
        paths += [path for path in (part.path or _WHOLE,) if path not in paths]
    for (reason, at), paths in causes.items():
        kind, said = ProblemKind.OPAQUE_PART, f"{_listed(paths)} only partly traced: {reason}"
        if _WHOLE in paths:
            at, reason = (unfit.location, unfit.reason) if unfit else (at, reason)
            kind, said = ProblemKind.UNTRACEABLE, f"{graph.ref.name} could not be traced: {reason}"
        hint = "its layers were checked as far as they could be traced on their own"
        if reason.endswith(_MISSING):
            hint += f"; install {reason.removesuffix(_MISSING)} for a complete check"
        elif without_input:
            hint += "; pass --input so that forward can run"
        yield _problem(graph, kind, said, hint, at)


def unknown_operations(graph: ModelGraph) -> Iterator[Problem]:
    """A problem where the table does not know most of the model's operations.

    Rules are silent about those, so a model that consists of them is not checked.
    """
    operations = [op for op in graph.ops if op.kind not in ("input", "output", "opaque")]
    unknown = Counter(str(op.facts.get("class")) for op in operations if op.kind == "other")
    if unknown.total() <= _MOST * len(operations):
        return
    named = ", ".join(f"{name} ({count})" for name, count in unknown.most_common(_NAMED))
    share = f"{unknown.total()} of {len(operations)} operations"
    said = f"{share} are unknown, most often {named}"
    hint = "rules cannot check these; declare what they are in [tool.bnlint.layers]"
    yield _problem(graph, ProblemKind.UNTRACEABLE, said, hint, graph.ref.definition)


def _listed(paths: list[str]) -> str:
    """The parts and the verb: ``its forward was``, three and more as ``and 3 more parts were``."""
    named = [path if path == _WHOLE else quoted(path) for path in paths]
    if len(named) > _NAMED:
        named = [*named[: _NAMED - 1], f"{len(named) - _NAMED + 1} more parts"]
    return f"{listed(named)} {'was' if len(paths) == 1 else 'were'}"


def plain_reason(reason: str) -> str:
    """The reason in plain words where they are known, else as the tracer puts it."""
    if lacking := _LACKING.match(reason):
        return f"{lacking['package']} {lacking['why']}"
    if remote := _REMOTE.match(reason):
        return remote["said"]
    return next((words for sign, words in _PLAIN if sign in reason), reason)
