"""What to say of the parts of a model that no tracer could see into."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import ModelGraph

_PLAIN = (
    ("inputs to control flow", "a branch hangs on the values of a tensor"),
    ("item() cannot be called on meta", "a branch hangs on the values of a tensor"),
    ("nonzero() raises unimplemented", "it selects by the values of a tensor"),
    ("Proxy object cannot be iterated", "it loops over a tensor or unpacks one"),
    ("'len' is not supported in symbolic", "it asks for the length of a tensor"),
)
"""Reasons of the tracers, as people would put them."""


def unseen_parts(graph: ModelGraph) -> Iterator[Problem]:
    """A problem for every part of the model that no tracer could see into."""
    without_input = graph.ref.inputs.source == "none"
    for part in graph.trace.opaque:
        at = part.location
        yield Problem(
            ProblemKind.OPAQUE_PART,
            at.path if at else graph.ref.file,
            f"{part.path or 'its forward'} was not seen whole: {plain_reason(part.reason)}",
            "its layers were checked as far as they could be traced by themselves"
            + ("; an --input lets the forward run" if without_input else ""),
            at.line if at else 0,
            graph.ref.name,
        )


def plain_reason(reason: str) -> str:
    """The reason in plain words where they are known, else as the tracer gave it."""
    return next((words for sign, words in _PLAIN if sign in reason), reason)
