"""The examples of a rule: read, and completed with what they use of a prelude.

An example gets the statements of the prelude that bind a name which it uses and does not bind
itself, so that it is a whole file wherever it is shown or run. The imports of torch need no
prelude of their own. Only then are examples parsed: a run never looks into them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import cache

from yaml.nodes import MappingNode, Node, ScalarNode

from bnlint.domain.graph import Value
from bnlint.domain.rule import Example
from bnlint.engine.fields import TEXT, Field, Table, array, word
from bnlint.engine.reader import SETTINGS, Reader

PRELUDE = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def _settings(reader: Reader, node: Node, what: str) -> dict[str, Value]:
    entries = reader.mapping(node, SETTINGS, what)
    return {key: reader.value(value, key) for key, value in entries.items()}


SETTINGS_OF_RUN = Field(_settings, {"type": "object", "propertyNames": word(SETTINGS).schema})
TITLED = Table(
    "an example", Example, {"code": TEXT, "settings": SETTINGS_OF_RUN}, ("code",), located=True
)
EXAMPLE = replace(TITLED, keys={"title": TEXT, **TITLED.keys})


def _group(reader: Reader, node: Node, what: str) -> tuple[Example, ...]:
    """Examples as a list, as a mapping from titles, or as one piece of code."""
    if isinstance(node, MappingNode):
        titled = reader.mapping(node, None, what).items()
        return tuple(
            replace(example, title=title)
            for title, body in titled
            if (example := _example(reader, body, TITLED))
        )
    one = isinstance(node, ScalarNode) and "\n" in node.value
    items = [node] if one else reader.sequence(node, what)
    return tuple(filter(None, (_example(reader, item, EXAMPLE) for item in items)))


def _example(reader: Reader, node: Node, table: Table[Example]) -> Example | None:
    if isinstance(node, ScalarNode):
        return Example(reader.string(node, "an example"), location=reader.location(node))
    return table.read(reader, node)


def _prelude(reader: Reader, node: Node, what: str) -> str:
    text = reader.string(node, what)
    try:
        ast.parse(text)
    except SyntaxError as error:
        reader.wrong(node, f"the prelude is not Python: {error.msg}")
    return text


def _examples(prelude: str = "", **groups: tuple[Example, ...]) -> dict[str, tuple[Example, ...]]:
    return {
        kind: tuple(replace(example, prelude=prelude) for example in group)
        for kind, group in groups.items()
    }


_OBJECT = {"type": "object", "additionalProperties": {"anyOf": [TEXT.schema, TITLED.schema]}}
GROUP = Field(
    _group, {"anyOf": [TEXT.schema, array({"anyOf": [TEXT.schema, EXAMPLE.schema]}), _OBJECT]}
)
EXAMPLES = Table(
    "examples",
    _examples,
    {
        "prelude": Field(_prelude, TEXT.schema),
        "bad": GROUP.defined("examples"),
        "good": GROUP.defined("examples"),
    },
    ("bad", "good"),
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A statement of a prelude, with the names that it binds and those that it needs."""

    text: str
    is_import: bool
    binds: frozenset[str]
    needs: frozenset[str]


def whole(example: Example) -> str:
    """The code with the parts of the prelude that it uses before it; broken code as it is."""
    try:
        tree = ast.parse(example.code)
    except (SyntaxError, ValueError, RecursionError):
        return example.code
    needed = _free(tree)
    used: list[_Part] = []
    for part in reversed(_parts(example.prelude)):  # a part may need what comes before it
        if part.binds & needed:
            used.insert(0, part)
            needed |= part.needs
    imports = "".join(f"{part.text}\n" for part in used if part.is_import)
    helpers = "".join(f"{part.text}\n\n" for part in used if not part.is_import)
    begins_with_import = bool(tree.body) and isinstance(tree.body[0], (ast.Import, ast.ImportFrom))
    gap = "\n" if imports and not (begins_with_import and not helpers) else ""
    return imports + gap + helpers + example.code


@cache
def _parts(prelude: str) -> tuple[_Part, ...]:
    """The statements of the common prelude and of a rule's own, which wins."""
    common, own = (
        [
            _Part(
                ast.get_source_segment(text, statement) or "",
                isinstance(statement, (ast.Import, ast.ImportFrom)),
                _defined_by(statement),
                _free(statement),
            )
            for statement in ast.parse(text).body
        ]
        for text in (PRELUDE, prelude)
    )
    bound = frozenset().union(*(part.binds for part in own))
    return (*(part for part in common if not part.binds & bound), *own)


def _defined_by(statement: ast.stmt) -> frozenset[str]:
    """The names that the statement adds to the file."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return frozenset((statement.name,))
    return frozenset(name for node in ast.walk(statement) if (name := _bound_by(node)))


def _free(tree: ast.AST) -> frozenset[str]:
    """The names that are read somewhere in the tree and bound nowhere in it."""
    nodes = list(ast.walk(tree))
    loaded = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return frozenset(loaded.difference(map(_bound_by, nodes)))


def _bound_by(node: ast.AST) -> str:
    """The name that a node binds: by assignment, import, definition or as an argument."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            return name
        case ast.alias():
            return (node.asname or node.name).partition(".")[0]
    return ""
