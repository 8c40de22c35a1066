"""Suppression comments in a source text.

::

    self.conv = nn.Conv2d(3, 8, 3)  # bnlint: ignore[BN301, missing-norm] -- weights are shared
    # bnlint: skip-file

Comments are found by tokenizing, never inside strings. One on any line of a statement covers the
whole statement; one on a ``class`` line, or on a decorator or base of it, the whole class; one on a
``def`` line the whole function; one that stands alone on its line the statement that follows.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

_DIRECTIVE = re.compile(
    r"#\s*bnlint\s*:\s*(?P<word>ignore|skip-file)\b\s*"
    r"(?:\[(?P<rules>[^\]]*)\])?\s*(?:(?:--|—)\s*(?P<reason>.*))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Comment:
    """An ``ignore`` comment: its place, the rules it names (none when bare), and what it covers.

    ``first`` and ``last`` are the lines covered, both inclusive.
    """

    line: int
    column: int
    rules: tuple[str, ...]
    reason: str
    first: int
    last: int

    def covers(self, line: int) -> bool:
        """True when the line lies in what the comment covers."""
        return self.first <= line <= self.last


def skips_file(text: str) -> bool:
    """True when a ``skip-file`` comment takes the whole file out."""
    return "bnlint" in text and any(
        found["word"].lower() == "skip-file" for _, found in _directives(text)
    )


def ignore_comments(text: str) -> tuple[Comment, ...]:
    """The ``ignore`` comments of a source text, in its order; none when it cannot be read."""
    if "bnlint" not in text:
        return ()
    directives = [(at, m) for at, m in _directives(text) if m["word"].lower() == "ignore"]
    if not directives:
        return ()
    spans, lines = _spans(text), text.splitlines()
    return tuple(_comment(at, found, spans, lines) for at, found in directives)


@dataclass(frozen=True, slots=True)
class _Span:
    """A statement: its first line, the last line of its head, the last line a comment covers.

    A comment in the head of a class or function covers all of it, in the head of a loop or a
    condition that head alone. A simple statement is its own head.
    """

    first: int
    head: int
    last: int
    simple: bool


def _directives(text: str) -> Iterator[tuple[tuple[int, int], re.Match[str]]]:
    """The place of every directive of ours in a comment, and what it says."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and (found := _DIRECTIVE.search(token.string)):
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
    first, last = _below(line, spans) if alone else _around(line, spans)
    reason = (found["reason"] or "").strip()
    return Comment(line, column, tuple(n for n in names if n), reason, first, last)


def _around(line: int, spans: list[_Span]) -> tuple[int, int]:
    """What a comment behind code covers: the smallest statement whose head the line is in."""
    inside = [span for span in spans if span.first <= line <= span.head]
    if not inside:
        return line, line
    smallest = min(inside, key=lambda span: span.head - span.first)
    return smallest.first, smallest.last


def _below(line: int, spans: list[_Span]) -> tuple[int, int]:
    """What a comment alone on its line covers: the statement it interrupts, or the next one."""
    inside = [span for span in spans if span.simple and span.first < line <= span.last]
    if inside:
        return _around(line, inside)
    after = [span for span in spans if span.first > line]
    if not after:
        return line, line
    return line, max(span.last for span in after if span.first == min(s.first for s in after))


def _spans(text: str) -> list[_Span]:
    """Every statement of the text; none when it is no Python."""
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
