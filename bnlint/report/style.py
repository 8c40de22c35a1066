"""Colour for terminals.

The few escape codes are written here rather than taken from rich: importing that would cost a
coloured run on unchanged files more time than everything else it does.
"""

from __future__ import annotations

import re

_CODES = {
    "error": "1;31",
    "warning": "1;33",
    "info": "1;36",
    "bold": "1",
    "dim": "2",
    "good": "1;32",
}
_CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def paint(text: str, style: str, colour: bool) -> str:
    """The text in a style (a severity, bold, dim, good), or as it is without colour."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colour and text else text


def plain(text: str) -> str:
    """The text on one line, with control characters written out: names come from users' files."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def padding(line: str, column: int) -> str:
    """Blanks as wide as what stands before ``column`` (1-based) on a terminal; tabs stay tabs."""
    return "".join(map(_blank, line[: column - 1]))


def _blank(char: str) -> str:
    if char.isascii():
        return "\t" if char == "\t" else " "
    import unicodedata

    if unicodedata.combining(char):
        return ""
    return "  " if unicodedata.east_asian_width(char) in "WF" else " "
