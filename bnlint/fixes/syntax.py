"""The syntax tree of a file, asked by places: which call stands where a layer was built."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from bnlint.domain.errors import FixError, Mistake
from bnlint.domain.graph import Location
from bnlint.fixes.source_text import SourceText, Splice

if TYPE_CHECKING:
    import libcst as cst

N = TypeVar("N")
_INDENT = re.compile(r"[ \t\f]*")


def load_libcst() -> Any:
    """The libcst package; raises FixError where it is not installed."""
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
        """The call that stands exactly at a location, as Python reports it for an instruction.

        For a method called on another line than its object, Python reports the method's name.
        """
        if location is None or not location.end_line or not self._holds(location):
            return None
        start = self.offset(location.line, location.column)
        end = self.offset(location.end_line, location.end_column)
        for call in self._calls.get(end, ()):
            starts = [self.span(call)[0]]
            if isinstance(call.func, self.cst.Attribute):
                starts.append(self.span(call.func.attr)[0])
            if start in starts:
                return call  # type: ignore[no-any-return]
        return None

    def _holds(self, location: Location) -> bool:
        return os.path.realpath(location.path) == os.path.realpath(self.source.path)

    def offset(self, line: int, column: int) -> int:
        """The offset of a place as locations say it: from 1, in characters."""
        return self.source.offset(line, column - 1)

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

    def text(self, node: Any) -> str:
        """The text of a node, with the parentheses around it."""
        start, end = self.whole_span(node)
        return self.source.text[start:end]

    def between(self, start: int, end: int) -> str:
        """The text between two offsets."""
        return self.source.text[start:end]

    def replace(self, node: Any, text: str) -> Splice:
        """The splice that puts ``text`` in the place of a node and its parentheses."""
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
        line, _ = self.source.place(offset)
        found = _INDENT.match(self.source.line(line))
        return found[0] if found else ""
