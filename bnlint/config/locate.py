"""The position of a key or a value in a TOML text: ``tomllib`` keeps none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_KEY_PART = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")
_STRINGS = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'" r"|#[^\n]*",
    re.DOTALL,
)

Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key of the text: its full path, its offset, and where its value ends."""

    path: tuple[str, ...]
    start: int
    end: int


def locate(text: str, path: Sequence[str], value: str | None = None) -> Position:
    """Line and column (1-based) of the deepest part of ``path`` found, or of ``value`` within it.

    ``(1, 1)`` when nothing of the path is in the text.
    """
    best: _Entry | None = None
    depth = 0
    for entry in _entries(text):
        shared = _shared(entry.path, path)
        if shared > depth or (shared == depth and shared and best and entry.path == tuple(path)):
            best, depth = entry, shared
    if best is None:
        return 1, 1
    offset = best.start
    for part in (*path[len(best.path) :], *((value,) if value is not None else ())):
        offset = _inside(text, part, offset, best.end)
    return _position(text, offset)


def excerpt(text: str, line: int) -> str:
    """The text of a line, or nothing when there is no such line."""
    lines = text.splitlines()
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _shared(found: tuple[str, ...], wanted: Sequence[str]) -> int:
    """How deep ``found`` leads to ``wanted``; 0 when it goes elsewhere."""
    return len(found) if tuple(wanted[: len(found)]) == found else 0


def _inside(text: str, part: str, start: int, end: int) -> int:
    """The offset of ``part`` as a key or a string after ``start``, or ``start``."""
    pattern = rf"""(?<![\w.-])["']?{re.escape(part)}["']?(?![\w-])"""
    found = re.compile(pattern).search(text, start, end)
    return found.start() if found else start


def _position(text: str, offset: int) -> Position:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _entries(text: str) -> Iterator[_Entry]:
    """Every table header and key of the text, in order; values are skipped whole."""
    table: tuple[str, ...] = ()
    offset = 0
    while offset < len(text):
        stop = _line_end(text, offset)
        stripped = text[offset:stop].lstrip()
        start = stop - len(stripped)
        if stripped.startswith("["):
            table = _keys(stripped.lstrip("["))[0]
            yield _Entry(table, start, _table_end(text, stop))
        elif stripped and not stripped.startswith("#"):
            keys, length = _keys(stripped)
            stop = _value_end(text, start + length)
            yield _Entry((*table, *keys), start, stop)
        offset = stop + 1


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def _table_end(text: str, offset: int) -> int:
    """Where the next table header starts (a rough end: only used to search for values)."""
    found = re.compile(r"^\s*\[", re.MULTILINE).search(text, offset)
    return found.start() if found else len(text)


def _keys(text: str) -> tuple[tuple[str, ...], int]:
    """The dotted key at the start of ``text``, and how long it is."""
    parts: list[str] = []
    offset = 0
    while found := _KEY_PART.match(text, offset):
        part = found[1]
        parts.append(part[1:-1] if part[0] in "\"'" else part)
        offset = found.end()
        if text[offset : offset + 1] != ".":
            break
        offset += 1
    return tuple(parts), offset


def _value_end(text: str, offset: int) -> int:
    """The end of the line on which the value that starts after ``offset`` is complete."""
    depth = 0
    while offset < len(text):
        skipped = _STRINGS.match(text, offset)
        if skipped:
            offset = skipped.end()
            continue
        char = text[offset]
        if char == "\n" and depth <= 0:
            return offset
        depth += (char in "[{") - (char in "]}")
        offset += 1
    return len(text)
