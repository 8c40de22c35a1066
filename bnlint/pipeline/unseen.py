"""What to say of the parts of a model that no tracer could see into."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import Location, ModelGraph
from bnlint.domain.phrases import listed

_PLAIN = (
    ("inputs to control flow", "a branch hangs on the values of a tensor"),
    ("item() cannot be called on meta", "a branch hangs on the values of a tensor"),
    ("nonzero() raises unimplemented", "it selects by the values of a tensor"),
    ("Proxy object cannot be iterated", "it loops over a tensor or unpacks one"),
    ("'len' is not supported in symbolic", "it asks for the length of a tensor"),
)
"""Reasons of the tracers, as people would put them."""


_NAMED = 3
"""Parts that a note names; the trace lists all."""


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


def _listed(paths: list[str]) -> str:
    """``a was``; ``a, b and 3 more parts were``."""
    if len(paths) > _NAMED:
        paths = [*paths[: _NAMED - 1], f"{len(paths) - _NAMED + 1} more parts"]
    return f"{listed(paths)} {'was' if len(paths) == 1 else 'were'}"


def plain_reason(reason: str) -> str:
    """The reason in plain words where they are known, else as the tracer gave it."""
    return next((words for sign, words in _PLAIN if sign in reason), reason)
