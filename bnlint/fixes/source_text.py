"""A file's text for editing: nothing of it changes but what an edit replaces."""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from bnlint.domain.finding import Edit
from bnlint.domain.graph import Location

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, order=True)
class Splice:
    """Replace what lies between two offsets of a text by ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file as Python decodes it, with its own line ends; offsets count characters."""

    path: str
    text: str
    encoding: str = "utf-8"
    starts: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        starts = (0, *(found.end() for found in _LINE_END.finditer(self.text)))
        object.__setattr__(self, "starts", starts)

    @property
    def newline(self) -> str:
        """The line end that the file uses first."""
        found = _LINE_END.search(self.text)
        return found[0] if found else "\n"

    @property
    def plain(self) -> str:
        """The text with plain line ends, as it is imported."""
        return _LINE_END.sub("\n", self.text)

    def offset(self, line: int, column: int) -> int:
        """Where a line (from 1) and a column (characters, from 0) stand in the text."""
        return self.starts[line - 1] + column

    def line(self, number: int) -> str:
        """One line (from 1) with its end."""
        following = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : following]

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column (both from 1) of an offset."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def edit(self, splice: Splice) -> Edit:
        """The splice in terms of lines and columns."""
        line, column = self.place(splice.start)
        end_line, end_column = self.place(splice.end)
        return Edit(Location(self.path, line, column, end_line, end_column), splice.text)

    def spliced(self, splices: Iterable[Splice]) -> SourceText:
        """The text with all splices done; they must not overlap."""
        parts, position = [], 0
        for splice in sorted(splices):
            assert splice.start >= position, "splices overlap"
            parts += [self.text[position : splice.start], splice.text]
            position = splice.end
        parts.append(self.text[position:])
        return SourceText(self.path, "".join(parts), self.encoding)

    def encoded(self) -> bytes:
        """The bytes to write."""
        return self.text.encode(self.encoding)


def decode(path: str, data: bytes) -> SourceText:
    """The file's text; raises SyntaxError or UnicodeDecodeError as Python would."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return SourceText(path, data.decode(encoding), encoding)


def are_apart(splices: Iterable[Splice]) -> bool:
    """True when splices can be done together."""
    position = 0
    for splice in sorted(splices):
        if splice.start < position:
            return False
        position = splice.end
    return True


def overlap(one: Iterable[Splice], other: Iterable[Splice]) -> bool:
    """True when two sets of splices touch the same text, or insert at the same place."""
    return any(
        (a.start < b.end and b.start < a.end) or a.start == b.start or a.end == b.end
        for a in one
        for b in other
    )


def unspliced(splice: Splice, earlier: Iterable[Splice]) -> Splice | None:
    """The splice in terms of the text before the earlier ones; None where it touches one."""
    shift = 0
    for done in sorted(earlier):
        start, end = done.start + shift, done.start + shift + len(done.text)
        if splice.end < start:
            break
        if splice.start <= end:
            return None
        shift += len(done.text) - (done.end - done.start)
    return Splice(splice.start - shift, splice.end - shift, splice.text)
