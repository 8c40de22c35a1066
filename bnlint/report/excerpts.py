"""The source of a finding for a terminal, with the whole expression marked, as compilers do it.

One line gets carets under the expression. Several lines get a bracket at their left::

    18 |       self.conv = nn.Conv2d(
       |  _________________^
    19 | |         3, 8, 3
    20 | |     )
       | |_____^
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.graph import Location
from bnlint.report import RenderOptions
from bnlint.report.lines import padding, paint, plain

_NARROWEST = 20
_MOST = 6
"""Lines of an expression that are shown whole; of a longer one, the first and the last ones."""
_FIRST, _LAST = 3, 2


def excerpt(at: Location, style: str, options: RenderOptions) -> Iterator[str]:
    """The lines of the place with marks; nothing if the file cannot be read."""
    lines = options.lines_at(at)
    if not 0 < at.line <= len(lines):
        return
    several = at.line < at.end_line <= len(lines)
    drawn = _several(at, lines, style, options) if several else _one(at, lines, style, options)
    yield from drawn


def _one(at: Location, lines: list[str], style: str, options: RenderOptions) -> Iterator[str]:
    number = f"{at.line:>5} | "
    line, column = _window(lines[at.line - 1].rstrip(), at.column, options.width - len(number))
    same_line = at.end_line in (0, at.line) and at.end_column > at.column
    width = min(at.end_column - at.column if same_line else 1, max(len(line) - column + 1, 1))
    yield _gutter(at.line, options) + _shown(line)
    yield _gutter(0, options) + padding(line, column) + paint("^" * width, style, options.colour)


def _several(at: Location, lines: list[str], style: str, options: RenderOptions) -> Iterator[str]:
    def mark(text: str) -> str:
        return paint(text, style, options.colour)

    first, *rest = range(at.line, at.end_line + 1)
    skipped = range(first + _FIRST, at.end_line - _LAST + 1) if len(rest) >= _MOST else range(0)
    room = options.width - len("    1 | | ")
    line, column = _window(lines[first - 1].rstrip(), at.column, room)
    yield f"{_gutter(first, options)}  {_shown(line)}"
    yield f"{_gutter(0, options)}{mark(' ' + _ruled(line, column) + '^')}"
    for number in rest:
        line, column = _cut(lines[number - 1].rstrip(), room), at.end_column - 1
        if number not in skipped:
            yield f"{_gutter(number, options)}{mark('|')} {_shown(line)}".rstrip()
        elif number == skipped[0]:
            yield f"{paint('  ...', 'dim', options.colour)}   {mark('|')}"
    yield f"{_gutter(0, options)}{mark('|' + _ruled(line, min(column, len(line) or 1)) + '^')}"


def _gutter(number: int, options: RenderOptions) -> str:
    return paint(f"{number or '':>5} | ", "dim", options.colour)


def _shown(line: str) -> str:
    return "\t".join(map(plain, line.split("\t")))


def _ruled(line: str, column: int) -> str:
    """A rule as wide as the text before the column, and the blank after the bracket.

    A tab stays a tab, so that the end of the rule is where the terminal shows the column.
    """
    before = padding(line, column)
    return "_" + before.replace(" ", "_")


def _cut(line: str, width: int) -> str:
    """The begin of a line that is too long for the terminal."""
    return line if width < _NARROWEST or len(line) <= width else line[: width - 1] + "…"


def _window(line: str, column: int, width: int) -> tuple[str, int]:
    """The part of a long line around a column, and where the column is in it.

    If the terminal wrapped the line, the caret would point at nothing.
    """
    if width < _NARROWEST or len(line) <= width:
        return line, column
    start = max(0, min(column - 1 - width // 3, len(line) - width))
    part = line[start : start + width]
    part = ("…" if start else part[:1]) + part[1:]
    return (part[:-1] + "…" if start + width < len(line) else part), column - start
