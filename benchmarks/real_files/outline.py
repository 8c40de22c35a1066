"""The classes and functions of a file, from its text alone: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_FORWARDLESS = frozenset({"Sequential", "ModuleList", "ModuleDict"})
"""Modules whose subclasses need no forward of their own, or have none."""

_MODULES = frozenset({"Module", "LightningModule"})

_NEVER = ("loss", "losses", "criterion", "criterions", "dataset", "datasets")
"""Ends of the names of classes that are no models."""


Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Definition:
    """A class or function of a file: the names that its text holds, and its length in lines.

    ``bases`` are the last words of the bases of a class, ``methods`` its methods by name.
    ``returns`` is true for a function that returns a value.
    """

    names: frozenset[str]
    lines: int
    bases: tuple[str, ...] = ()
    methods: Mapping[str, Function] = field(default_factory=dict)
    returns: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """The classes and functions at the top level of a file, and which classes are models."""

    classes: Mapping[str, Definition]
    functions: Mapping[str, Definition]
    assigned: Mapping[str, frozenset[str]]
    """By each name that is assigned at the top level, the names that its value mentions."""

    @property
    def models(self) -> list[str]:
        """Names of the module classes with a forward; no losses, data sets or abstract classes."""
        return [name for name in self.classes if self._is_model(name)]

    def _is_model(self, name: str) -> bool:
        if name.lower().endswith(_NEVER):
            return False
        line = [self.classes[ancestor] for ancestor in self._line(name)]
        bases = {base for each in line for base in each.bases}
        if not bases & (_MODULES | _FORWARDLESS) and not any(map(_looks_like_a_module, line)):
            return False
        forward = next((c.methods["forward"] for c in line if "forward" in c.methods), None)
        return "Sequential" in bases if forward is None else not _is_abstract(forward)

    def _line(self, name: str) -> list[str]:
        """The class and its bases in the same file, nearest first."""
        line, waiting = [], [name]
        while waiting:
            nearest = waiting.pop(0)
            if nearest in self.classes and nearest not in line:
                line.append(nearest)
                waiting += self.classes[nearest].bases
        return line


def outline(text: str) -> Outline:
    """The outline of a file; raises SyntaxError for what is no Python 3."""
    classes: dict[str, Definition] = {}
    functions: dict[str, Definition] = {}
    assigned: dict[str, frozenset[str]] = {}
    for node in _statements(ast.parse(text)):
        match node:
            case ast.ClassDef():
                classes[node.name] = _definition(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                functions[node.name] = _definition(node)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                assigned[name] = _names(value)
            case _:
                pass
    return Outline(classes, functions, assigned)


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """The statements that run when the file does, also below ``if``, ``try`` and ``with``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt):
            yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.ExceptHandler):
            yield from _statements(node)


def _definition(node: ast.ClassDef | Function) -> Definition:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    names = _names(node) - {node.name}
    if not isinstance(node, ast.ClassDef):
        returned = (n.value for n in ast.walk(node) if isinstance(n, ast.Return))
        return Definition(names, lines, returns=any(returned))
    bases = tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases)
    methods = {f.name: f for f in node.body if isinstance(f, Function)}
    return Definition(names, lines, bases, methods)


def _names(tree: ast.AST) -> frozenset[str]:
    return frozenset(n.id for n in ast.walk(tree) if isinstance(n, ast.Name))


def _looks_like_a_module(found: Definition) -> bool:
    """True for a class with a constructor and a forward whose base another file defines."""
    bases = set(found.bases) - {"object", "Function", "ABC"}
    return bool(bases) and {"__init__", "forward"} <= set(found.methods)


def _is_abstract(forward: Function) -> bool:
    """True for a forward that does nothing, or only raises."""
    return all(isinstance(s, ast.Pass | ast.Raise) or _is_constant(s) for s in forward.body)


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
