"""What the text of an error says that an argument should be, where it names the argument."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from bnlint.models.lexicon import WIDTH

_TYPES: tuple[tuple[str, Any], ...] = (
    (r"int(eger)?s?|numbers?", WIDTH),
    (r"tuples?", (WIDTH, WIDTH)),
    (r"lists?|sequences?|iterable", [WIDTH] * 4),
    (r"str(ing)?s?", "relu"),
    (r"floats?", 0.5),
    (r"dict(ionary)?|mapping", {}),
    (r"bool(ean)?", True),
)
_MOST = 4


def told_values(name: str, text: str, current: Any) -> Iterator[Any]:
    """The values that ``text`` asks for, in its order; none if it does not name the argument.

    Choices that it lists come first (``one of 'relu', 'gelu'``, ``[18, 34, 50]``), then a value of
    each type that it mentions.
    """
    if not re.search(rf"\b{re.escape(name)}\b", text):
        return
    listed = [value for value in _listed(text) if not equals(value, current) and value != name]
    yield from dict.fromkeys(listed[:_MOST])
    rest = re.sub(rf"\b{re.escape(name)}\b", "", text)
    mentioned = [(found.start(), value) for word, value in _TYPES if (found := _word(word, rest))]
    for _, value in sorted(mentioned, key=lambda each: each[0]):
        if type(value) is not type(current):
            yield value


def equals(one: Any, other: Any) -> bool:
    """Whether two values are equal; arrays and tensors, which compare in parts, equal nothing."""
    try:
        return bool(one == other)
    except Exception:  # objects of the user may compare as they like
        return False


def _word(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(rf"(?<![\w.])({pattern})(?!\w)", text)


def _listed(text: str) -> Iterator[Any]:
    """Texts in quotes, and numbers in brackets."""
    yield from (found[2] for found in re.finditer(r"(['\"`])([\w\-]+)\1", text))
    for found in re.finditer(r"[\[({][\d\s,]+[\])}]", text):
        values = ast.literal_eval(f"[{found[0][1:-1].strip().strip(',')}]")
        yield from (value for value in values if isinstance(value, int))
