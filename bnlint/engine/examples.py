"""The examples of a rule: read, and completed with what they use of a prelude.

An example gets the statements of the prelude that bind a name which it uses and does not bind
itself, so that it is a whole file wherever it is shown or run. The imports of torch need no
prelude of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode

from bnlint.domain.rule import Example
from bnlint.engine.grammar import EXAMPLE, EXAMPLES, TITLED
from bnlint.engine.yaml_nodes import Reader

PRELUDE = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


class Examples:
    """Reads the examples; notes mistakes on the reader."""

    def __init__(self, reader: Reader, settings: Collection[str]) -> None:
        self.reader = reader
        self.settings = settings
        self.prelude = parse_prelude(PRELUDE)

    def read(self, node: Node) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        """The bad examples and the good ones."""
        parts = self.reader.table(node, EXAMPLES)
        if "prelude" in parts:
            self._extend(parts["prelude"])
        bad, good = (self._group(parts[k], k) if k in parts else () for k in ("bad", "good"))
        return bad, good

    def _extend(self, node: Node) -> None:
        try:
            own = parse_prelude(self.reader.string(node, "prelude"))
        except SyntaxError as error:
            self.reader.wrong(node, f"the prelude is not Python: {error.msg}")
            return
        bound = frozenset().union(*(part.binds for part in own))
        self.prelude = (*(part for part in self.prelude if not part.binds & bound), *own)

    def _group(self, node: Node, what: str) -> tuple[Example, ...]:
        """Examples as a list, as a mapping from titles, or as one piece of code."""
        if isinstance(node, MappingNode):
            titled = self.reader.mapping(node, None, what)
            return tuple(self._example(body, title) for title, body in titled.items())
        if isinstance(node, ScalarNode) and "\n" in node.value:
            return (self._example(node),)
        return tuple(self._example(item) for item in self.reader.sequence(node, what))

    def _example(self, node: Node, title: str = "") -> Example:
        where = self.reader.location(node)
        if isinstance(node, ScalarNode):
            return Example(self._code(node, "an example"), title, location=where)
        parts = self.reader.table(node, TITLED if title else EXAMPLE)
        settings = parts.get("settings")
        entries = self.reader.mapping(settings, self.settings, "settings") if settings else {}
        return Example(
            code=self._code(parts["code"], "code") if "code" in parts else "",
            title=self.reader.string(parts["title"], "title") if "title" in parts else title,
            settings={k: self.reader.value(v, k) for k, v in entries.items()},
            location=where,
        )

    def _code(self, node: Node, what: str) -> str:
        return complete(self.reader.string(node, what), self.prelude)


@dataclass(frozen=True, slots=True)
class Part:
    """A statement of a prelude, with the names that it binds and those that it needs."""

    text: str
    is_import: bool
    binds: frozenset[str]
    needs: frozenset[str]


def parse_prelude(text: str) -> tuple[Part, ...]:
    """The statements of a prelude, in order; raises :class:`SyntaxError`."""
    return tuple(
        Part(
            ast.get_source_segment(text, statement) or "",
            isinstance(statement, (ast.Import, ast.ImportFrom)),
            _defined_by(statement),
            _free(statement),
        )
        for statement in ast.parse(text).body
    )


def complete(code: str, prelude: Sequence[Part]) -> str:
    """The code with the parts of the prelude that it uses before it; broken code as it is."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return code
    needed = _free(tree)
    used: list[Part] = []
    for part in reversed(prelude):  # a part may need what comes before it
        if part.binds & needed:
            used.insert(0, part)
            needed |= part.needs
    imports = "".join(f"{part.text}\n" for part in used if part.is_import)
    helpers = "".join(f"{part.text}\n\n" for part in used if not part.is_import)
    begins_with_import = bool(tree.body) and isinstance(tree.body[0], (ast.Import, ast.ImportFrom))
    gap = "\n" if imports and not (begins_with_import and not helpers) else ""
    return imports + gap + helpers + code


def _defined_by(statement: ast.stmt) -> frozenset[str]:
    """The names that the statement adds to the file."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return frozenset((statement.name,))
    return frozenset(name for node in ast.walk(statement) if (name := _bound_by(node)))


def _free(tree: ast.AST) -> frozenset[str]:
    """The names that are read somewhere in the tree and bound nowhere in it."""
    loaded: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            loaded.add(node.id)
        else:
            bound.add(_bound_by(node))
    return frozenset(loaded - bound)


def _bound_by(node: ast.AST) -> str:
    """The name that a node binds: by assignment, import, definition or as an argument."""
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Store) else ""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.alias):
        return (node.asname or node.name).partition(".")[0]
    return ""
