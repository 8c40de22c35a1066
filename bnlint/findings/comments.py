"""Suppression comments in a source text.

::

    self.conv = nn.Conv2d(3, 8, 3)  # bnlint: ignore[BN301, missing-norm] -- weights are shared
    # bnlint: skip-file

Comments are found by tokenizing, never inside strings. A comment on the first or last line of a
statement covers the whole statement. On a line within it, it covers what that line is part of: a
layer of a long ``nn.Sequential``, not its neighbours. On a ``class`` line, or on a decorator or
base of it, it covers the whole class; on a ``def`` line the whole function; alone on its line,
what follows.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from bnlint.domain.graph import Location

# Compiled when a comment of bnlint is met: most files have none.
_DIRECTIVE = (
    r"(?i)#\s*bnlint\s*:\s*(?P<word>ignore|skip-file)\b\s*"
    r"(?:\[(?P<rules>[^\]]*)\])?\s*(?:(?:--|—)\s*(?P<reason>.*))?"
)

_MEANT = (
    r"(?i)#\s*bnlint\s*:\s*(?P<word>(?:ign|skip|dis|no[-_ ]?(?:qa|lint)|off\b|supp|allow)[\w-]*)"
)
"""A comment that is meant to suppress something, in words of other linters or misspelled."""


class Comment(NamedTuple):
    """An ``ignore`` comment: its place, the rules it names (none when bare), and what it covers.

    ``first`` and ``last`` are the lines covered, both inclusive. With a line ``within`` a
    statement, only what that line is part of is covered.
    """

    line: int
    column: int
    rules: tuple[str, ...]
    reason: str
    first: int
    last: int
    within: int = 0

    def covers(self, at: Location) -> bool:
        """True when the place lies in what the comment covers."""
        if not self.first <= at.line <= self.last:
            return False
        return not self.within or at.line <= self.within <= max(at.line, at.end_line)


def skips_file(text: str) -> bool:
    """True when a ``skip-file`` comment excludes the whole file."""
    return any(found["word"].lower() == "skip-file" for _, found in _comments(text, _DIRECTIVE))


def ignore_comments(text: str) -> tuple[Comment, ...]:
    """The ``ignore`` comments of a source text, in its order; none when it cannot be read."""
    directives = _comments(text, _DIRECTIVE)
    found = [(at, match) for at, match in directives if match["word"].lower() == "ignore"]
    if not found:
        return ()
    spans, lines = _spans(text), text.splitlines()
    return tuple(_comment(at, match, spans, lines) for at, match in found)


def mistaken_comments(text: str) -> tuple[tuple[int, int, str], ...]:
    """Line, column and word of comments that are meant to suppress, but do not."""
    return tuple(
        (*at, found["word"])
        for at, found in _comments(text, _MEANT)
        if found["word"].lower() not in ("ignore", "skip-file")
    )


class _Span(NamedTuple):
    """A statement: its first line, the last line of its head, the last line a comment covers.

    A comment in the head of a class or function covers all of it, in the head of a loop or a
    condition that head alone. A simple statement is its own head.
    """

    first: int
    head: int
    last: int
    simple: bool


def _comments(text: str, pattern: str) -> Iterator[tuple[tuple[int, int], re.Match[str]]]:
    if "bnlint" not in text:
        return
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and (found := re.search(pattern, token.string)):
                line, column = token.start
                yield (line, column + found.start() + 1), found
    except (tokenize.TokenError, SyntaxError):
        return


def _comment(
    at: tuple[int, int], found: re.Match[str], spans: list[_Span], lines: list[str]
) -> Comment:
    line, column = at
    names = (name.strip() for name in (found["rules"] or "").split(","))
    alone = lines[line - 1].lstrip().startswith("#")
    covered = _below(line, spans, lines) if alone else _around(line, spans)
    reason = (found["reason"] or "").strip()
    return Comment(line, column, tuple(n for n in names if n), reason, *covered)


def _around(line: int, spans: list[_Span]) -> tuple[int, int, int]:
    """What a comment behind code covers: the smallest statement whose head the line is in.

    The third number is its line if that is within a simple statement, else 0.
    """
    inside = [span for span in spans if span.first <= line <= span.head]
    if not inside:
        return line, line, 0
    smallest = min(inside, key=lambda span: span.head - span.first)
    within = smallest.simple and smallest.first < line < smallest.last
    return smallest.first, smallest.last, line if within else 0


def _below(line: int, spans: list[_Span], lines: list[str]) -> tuple[int, int, int]:
    """What a comment alone on its line covers: the statement that follows, or its next part."""
    inside = [span for span in spans if span.simple and span.first < line <= span.last]
    if inside:
        first, last, _ = _around(line, inside)
        return first, last, _next_code(line, last, lines)
    first = min((span.first for span in spans if span.first > line), default=0)
    return line, max((span.last for span in spans if span.first == first), default=line), 0


def _next_code(line: int, last: int, lines: list[str]) -> int:
    """The first line after ``line``, up to ``last``, that holds more than a comment."""
    numbers = range(line + 1, last + 1)
    return next((n for n in numbers if lines[n - 1].strip()[:1] not in ("", "#")), last)


def _spans(text: str) -> list[_Span]:
    """Every statement of the text; none when it is not valid Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [_span(node) for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def _span(node: ast.stmt) -> _Span:
    first, last = node.lineno, node.end_lineno or node.lineno
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    if not body:
        return _Span(first, last, last, True)
    first = min([first, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    start = body[0].lineno if isinstance(body[0], ast.stmt) else body[0].pattern.lineno
    head = max(node.lineno, start - 1)
    whole = isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    return _Span(first, head, last if whole else head, False)
