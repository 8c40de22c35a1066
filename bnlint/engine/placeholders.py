"""``{capture.fact}`` in messages: one flat substitution, never an attribute or a format."""

from __future__ import annotations

import re
from collections.abc import Callable

from bnlint.graph.facts import Answer, Unknown

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\.([a-z0-9-]+)\}")


def placeholders(text: str) -> tuple[tuple[str, str], ...]:
    """The (subject, fact) pairs that a message asks for."""
    return tuple((m[1], m[2]) for m in _PLACEHOLDER.finditer(text))


def fill(text: str, look_up: Callable[[str, str], Answer]) -> str:
    """The message with every placeholder replaced once; what comes in is not scanned again."""
    return _PLACEHOLDER.sub(lambda m: shown(look_up(m[1], m[2])), text)


def shown(answer: Answer) -> str:
    """A fact as people write it: 3x3, 0.8, True, an unknown as '?'."""
    if isinstance(answer, Unknown):
        return "?"
    if isinstance(answer, tuple):
        numbers = bool(answer) and all(isinstance(v, int) for v in answer)
        return ("x" if numbers else ", ").join(shown(v) for v in answer)
    return f"{answer:g}" if isinstance(answer, float) else str(answer)
