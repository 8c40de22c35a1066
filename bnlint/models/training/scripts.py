"""A file of training code: what its names refer to, at its top and by its imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from bnlint.loading.parsing import Source
from bnlint.models.training.code_values import CodeDefinition, Values

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(eq=False)
class CodeFile:
    """A parsed file with its definitions, its imports and the values of its global names.

    Of the checked file, ``models`` are its classes of models, ``makers`` functions that may return
    one, and ``instances`` the models that are global names.
    """

    source: Source
    models: dict[str, str] = field(default_factory=dict)
    makers: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    names: dict[str, Values] = field(default_factory=dict)
    imports: dict[str, str] = field(init=False)
    definitions: dict[str, Definition] = field(init=False)
    starred: str = field(init=False)

    def __post_init__(self) -> None:
        tree = self.source.tree
        self.imports = dict(_imports(tree))
        self.starred = self.imports.pop("*", "").removesuffix("*")
        self.definitions = {n.name: n for n in _top(tree.body) if isinstance(n, Definition)}

    def defined(self, name: str) -> CodeDefinition | None:
        """The function or class of the file with this name."""
        node = self.definitions.get(name)
        return None if node is None else CodeDefinition(self, node)

    def full_name(self, node: ast.expr) -> str:
        """The dotted name that an expression has by the imports: ``torch.nn.CrossEntropyLoss``."""
        if isinstance(node, ast.Name):
            known = node.id in self.definitions or node.id in self.names
            starred = f"{self.starred}{node.id}" if self.starred and not known else ""
            return self.imports.get(node.id, starred)
        if isinstance(node, ast.Attribute):
            owner = self.full_name(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements at the top of a file, also those inside of ``if`` and ``try``."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _top(node.body + node.orelse)
        elif isinstance(node, ast.Try):
            yield from _top(node.body)


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module or ''}.{alias.name}"
