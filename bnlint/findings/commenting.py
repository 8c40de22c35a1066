"""Where a new suppression comment goes, so that it covers a line and changes nothing else."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Sequence
from typing import NamedTuple

_NAMED = re.compile(r"#\s*bnlint\s*:\s*ignore\s*\[[^\]]*(?=\])", re.IGNORECASE)


class Insertion(NamedTuple):
    """Text to insert at a line (from 1) and a column (characters, from 0)."""

    line: int
    column: int
    text: str


def insertion(text: str, line: int, rules: Sequence[str], reason: str = "") -> Insertion:
    """What to insert so that a comment for ``rules`` covers a line (from 1) of a source text.

    A comment that names rules there gets more of them. Else the new one goes behind the line, or
    above the statement where a comment behind the line would be part of a string or of a line
    that goes on behind a backslash. Raises ValueError for a line that the text has not.
    """
    lines = io.StringIO(text).readlines()
    if not 0 < line <= len(lines):
        raise ValueError(f"there is no line {line}")
    content = lines[line - 1].rstrip("\r\n")
    tokens = _tokens_of(text, line)
    if named := _names_end(content, tokens):
        return Insertion(line, named, f", {', '.join(rules)}")
    comment = f"# bnlint: ignore[{', '.join(rules)}] -- {reason}"
    if tokens is None or any(t.type in (tokenize.NEWLINE, tokenize.NL) for t in tokens):
        return Insertion(line, len(content.rstrip()), f"  {comment}")
    first = _statement(text, line)
    above = lines[first - 1]
    indent = above[: len(above) - len(above.lstrip())]
    return Insertion(first, 0, f"{indent}{comment}{_line_end(above)}")


def _names_end(content: str, tokens: Sequence[tokenize.TokenInfo] | None) -> int:
    """The column behind the names of a comment that names rules; 0 if there is none."""
    found = _NAMED.search(content)
    if not found or tokens is None:
        return found.end() if found else 0
    comments = [t.start[1] for t in tokens if t.type == tokenize.COMMENT]
    return found.end() if any(column <= found.start() for column in comments) else 0


def _tokens_of(text: str, line: int) -> list[tokenize.TokenInfo] | None:
    """The tokens that begin on a line; None if the text cannot be read."""
    try:
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        return [token for token in tokens if token.start[0] == line]
    except (tokenize.TokenError, SyntaxError):
        return None


def _statement(text: str, line: int) -> int:
    """The first line of the innermost statement that a line belongs to."""
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt))
    around = [n.lineno for n in nodes if n.lineno <= line <= (n.end_lineno or n.lineno)]
    return max(around, default=line)


def _line_end(line: str) -> str:
    return "\r\n" if line.endswith("\r\n") else "\n"
