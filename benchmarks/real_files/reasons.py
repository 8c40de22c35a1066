"""Messages of bnlint as classes of reasons: what belongs to one file is left out of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONGEST = 110

_STEPS = (
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"|‘[^’]*’"), "…"),
    (re.compile(r"\([^()]* made up\) "), ""),
    (re.compile(r"\[[^\[\]]*\]"), "[…]"),
    (re.compile(r"(?:[\w.\-]*/)+[\w.\-]+"), "PATH"),
    (re.compile(r"\b[A-Za-z_]\w*(?:\.\w+)+(?:\(\))?"), "…"),
    (re.compile(r"\b\w*[a-z0-9]_\w*(?:\(…\))?"), "…"),
    (re.compile(r"\b\d+(?:[x×.]\d+)*\b"), "N"),
)
"""In this order; what stands in brackets goes first, by :func:`_without_arguments`."""

_MERGED = ((re.compile(r"(?:…(?:,| and|, and)? ?){2,}"), "… "),)


def normalize(message: str, names: frozenset[str] = frozenset()) -> str:
    """The first line of a message without names, numbers, paths and code of the file."""
    line = _without_arguments(message.strip().split("\n")[0])
    for pattern, instead in (*_STEPS, *_named(names), *_MERGED):
        line = pattern.sub(instead, line)
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 2] + " …"


def _named(names: frozenset[str]) -> Iterator[tuple[re.Pattern[str], str]]:
    if names:
        either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        yield re.compile(rf"\b(?:{either})\b(?:\(…\))?"), "…"


def _without_arguments(line: str) -> str:
    """The line with what stands between brackets after a name left out."""
    kept: list[str] = []
    depth = 0
    for place, char in enumerate(line):
        opens = char == "(" and (depth or (place and (line[place - 1].isalnum())))
        if opens and not depth:
            kept.append("(…)")
        depth += bool(opens)
        if not depth:
            kept.append(char)
        depth -= bool(depth and char == ")")
    return "".join(kept)
