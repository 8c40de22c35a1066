"""A file for editing: its text, of which only what an edit replaces changes, and its syntax tree.

The tree is asked by places: which call is at the place where a layer was built.
"""

from __future__ import annotations

import io
import os
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from bnlint.domain.errors import FixError, Mistake
from bnlint.domain.finding import Edit
from bnlint.domain.graph import Location

if TYPE_CHECKING:
    import libcst as cst

N = TypeVar("N")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, order=True)
class Splice:
    """Replaces the text between two offsets by ``text``."""

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
        ends = (found.end() for found in _LINE_END.finditer(self.text))
        object.__setattr__(self, "starts", (0, *ends))

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
        """The offset of a line (from 1) and a column (characters, from 0)."""
        return self.starts[line - 1] + column

    def line(self, number: int) -> str:
        """One line (from 1) with its end."""
        following = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : following]

    def whole_lines(self, start: int, end: int) -> tuple[int, int]:
        """Where the lines that hold the text between two offsets begin and end."""
        last = self.place(end)[0]
        return self.starts[self.place(start)[0] - 1], self.starts[last - 1] + len(self.line(last))

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column (both from 1) of an offset."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def edit(self, splice: Splice) -> Edit:
        """The splice with lines and columns instead of offsets."""
        line, column = self.place(splice.start)
        end_line, end_column = self.place(splice.end)
        return Edit(Location(self.path, line, column, end_line, end_column), splice.text)

    def spliced(self, splices: Iterable[Splice]) -> SourceText:
        """The text with all splices applied; they must not overlap."""
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
    """The file's text; SyntaxError or UnicodeDecodeError as Python would raise them."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return SourceText(path, data.decode(encoding), encoding)


def are_apart(splices: Iterable[Splice]) -> bool:
    """True when splices can be applied together."""
    return all(before.end <= after.start for before, after in pairwise(sorted(splices)))


def overlap(one: Iterable[Splice], other: Iterable[Splice]) -> bool:
    """True when two sets of splices touch the same text, or insert at the same place."""
    return any(
        (a.start < b.end and b.start < a.end) or a.start == b.start or a.end == b.end
        for a in one
        for b in other
    )


def unspliced(splice: Splice, earlier: Iterable[Splice]) -> Splice | None:
    """The splice for the text before the earlier ones; None if it touches one of them."""
    shift = 0
    for done in sorted(earlier):
        start, end = done.start + shift, done.start + shift + len(done.text)
        if splice.end < start:
            break
        if splice.start <= end:
            return None
        shift += len(done.text) - (done.end - done.start)
    return Splice(splice.start - shift, splice.end - shift, splice.text)


def load_libcst() -> Any:
    """The libcst package; FixError if it is not installed."""
    try:
        import libcst
    except ImportError:
        hint = "pip install 'bnlint[fix]'"
        raise FixError(Mistake("fixes need libcst, which is not installed", hint=hint)) from None
    return libcst


class Syntax:
    """A parsed :class:`SourceText`; spans are offsets into its text."""

    def __init__(self, source: SourceText) -> None:
        self.cst = load_libcst()
        from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider

        self.source = source
        self.module: cst.Module = self.cst.parse_module(source.text)
        wrapper = MetadataWrapper(self.module, unsafe_skip_copy=True)
        self._positions: Mapping[Any, Any] = wrapper.resolve(PositionProvider)
        self._parents: Mapping[Any, Any] = wrapper.resolve(ParentNodeProvider)
        self._calls: dict[int, list[Any]] = {}
        for node in self.nodes(self.cst.Call):
            self._calls.setdefault(self.span(node)[1], []).append(node)

    def nodes(self, kind: type[N]) -> Iterator[N]:
        """Every node of a kind, in no order that matters."""
        return (node for node in self._positions if isinstance(node, kind))

    def call_at(self, location: Location | None) -> cst.Call | None:
        """The call exactly at a location, as Python reports it for an instruction.

        For a method called on another line than its object, Python reports the method's name.
        """
        if location is None or not location.end_line:
            return None
        if os.path.realpath(location.path) != os.path.realpath(self.source.path):
            return None
        start = self.source.offset(location.line, location.column - 1)
        end = self.source.offset(location.end_line, location.end_column - 1)
        for call in self._calls.get(end, ()):
            name = call.func.attr if isinstance(call.func, self.cst.Attribute) else call
            if start in (self.span(call)[0], self.span(name)[0]):
                return call  # type: ignore[no-any-return]
        return None

    def span(self, node: Any) -> tuple[int, int]:
        """Where a node begins and ends, without parentheses around it."""
        found = self._positions[node]
        start = self.source.offset(found.start.line, found.start.column)
        return start, self.source.offset(found.end.line, found.end.column)

    def whole_span(self, node: Any) -> tuple[int, int]:
        """Where a node begins and ends, with the parentheses around it."""
        start, end = self.span(node)
        if getattr(node, "lpar", ()):
            start = self.span(node.lpar[0])[0]
            end = self.span(node.rpar[-1])[1]
        return start, end

    def end_of(self, item: Any) -> int:
        """Where an argument or element ends, without the comma after it."""
        return max(self.span(item)[1], self.whole_span(item.value)[1])

    def comma_of(self, item: Any) -> tuple[int, int] | None:
        """The span of the comma after an argument or element, if there is one."""
        return self.span(item.comma) if isinstance(item.comma, self.cst.Comma) else None

    def text(self, node: Any) -> str:
        """The text of a node, with the parentheses around it."""
        return self.between(*self.whole_span(node))

    def between(self, start: int, end: int) -> str:
        """The text between two offsets."""
        return self.source.text[start:end]

    def replace(self, node: Any, text: str) -> Splice:
        """The splice that replaces a node and its parentheses by ``text``."""
        return Splice(*self.whole_span(node), text)

    def parent(self, node: Any) -> Any:
        """The node that holds another; None for the module."""
        return self._parents.get(node)

    def above(self, node: Any) -> Iterator[Any]:
        """The nodes that hold a node, innermost first."""
        while (node := self.parent(node)) is not None:
            yield node

    def enclosing(self, node: Any, *kinds: type[Any]) -> Any | None:
        """The innermost node of one of the kinds that holds ``node``."""
        return next((each for each in self.above(node) if isinstance(each, kinds)), None)

    def function_of(self, node: Any) -> Any | None:
        """The function that holds a node; None at the level of the module or a class."""
        found = self.enclosing(node, self.cst.FunctionDef, self.cst.Lambda, self.cst.ClassDef)
        return None if isinstance(found, self.cst.ClassDef) else found

    def indentation(self, offset: int) -> str:
        """The white space that begins the line of an offset."""
        line = self.source.line(self.source.place(offset)[0])
        return line[: len(line) - len(line.lstrip(" \t\f"))]
