"""What a module offers to check: instances, classes and factories, and who mentions whom.

The text says what is a factory and which class is a block of which; nothing is called here.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn

from bnlint.domain.graph import Location
from bnlint.loading.source import Source
from bnlint.models.factories import Definition, factories, name_of


@dataclass(frozen=True, slots=True)
class Maker:
    """A class or a factory of the file that gives a model when it is called.

    ``required`` are the parameters without a default. ``part`` is true when another class of the
    file mentions it: then it is a block, unless nothing bigger can be built. ``root`` is what a
    factory calls in the end, so that fifty factories of one class are seen as such.
    """

    name: str
    origin: str
    make: Callable[..., Any]
    parameters: tuple[inspect.Parameter, ...]
    definition: Location
    part: bool
    root: str

    @property
    def required(self) -> tuple[inspect.Parameter, ...]:
        """The parameters that a call must fill."""
        fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return tuple(p for p in self.parameters if p.default is p.empty and p.kind not in fixed)


@dataclass(frozen=True, slots=True)
class Survey:
    """The models of a file: instances by name, and makers with whole models before blocks."""

    instances: tuple[tuple[str, nn.Module], ...]
    makers: tuple[Maker, ...]
    classes: int


def survey(module: ModuleType, source: Source) -> Survey:
    """What the module offers, in the order in which it should be tried."""
    defined = {n.name: n for n in source.tree.body if isinstance(n, Definition)}
    defined |= {n.name: n for n in _nested(source.tree) if n.name not in defined}
    classes = {n: c for n, c in vars(module).items() if _is_own_class(n, c, module)}
    parts = _parts(source.tree, set(classes))
    imported = _imported_classes(module)
    roots = factories(defined, {*classes, *imported})
    helpers = _helpers(source.tree)
    makers: list[Maker] = []
    for name, node in defined.items():
        value, part = vars(module).get(name), name in parts
        if name in classes and _is_model(classes[name], node):
            makers.append(_maker(name, "class", value, node, source, part, name))
        elif name in roots and _is_own_function(value, module):
            maker = _maker(name, "factory", value, node, source, part, roots[name])
            foreign = roots[name] in imported
            if not (maker.required and (foreign or name in helpers or _takes_model(maker))):
                makers.append(maker)
    return Survey(_instances(module, source.tree), tuple(sorted(makers, key=_rank)), len(classes))


def maker_of(value: Any, name: str, source: Source | None) -> Maker:
    """A maker for anything callable, defined in the file or not."""
    node = _definition(source.tree, name) if source else None
    location = _location(node, source) if node and source else Location("", 0)
    origin = "class" if isinstance(value, type) else "factory"
    return Maker(name, origin, value, _parameters(value), location, False, name)


def _rank(maker: Maker) -> tuple[bool, bool, bool]:
    """Whole models before blocks, complete calls before guessed ones, classes before factories."""
    return (maker.part, bool(maker.required), maker.name.startswith("_"))


def _maker(
    name: str, origin: str, value: Any, node: Definition, source: Source, part: bool, root: str
) -> Maker:
    return Maker(name, origin, value, _parameters(value), _location(node, source), part, root)


def _location(node: Definition, source: Source) -> Location:
    return Location(source.path, node.lineno, node.col_offset + 1)


def _parameters(value: Any) -> tuple[inspect.Parameter, ...]:
    try:
        return tuple(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return ()


def _definition(tree: ast.Module, name: str) -> Definition | None:
    for node in ast.walk(tree):
        if isinstance(node, Definition) and node.name == name:
            return node
    return None


def _nested(tree: ast.Module) -> Iterator[Definition]:
    """Definitions under a top-level ``if`` or ``try``."""
    for node in tree.body:
        if isinstance(node, (ast.If, ast.Try)):
            yield from (n for n in ast.walk(node) if isinstance(n, Definition))


def _is_own_class(name: str, value: Any, module: ModuleType) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__module__ == module.__name__
        and value.__qualname__ == name
    )


def _imported_classes(module: ModuleType) -> set[str]:
    """The names of classes of models that the file has from elsewhere, torch's own apart."""
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__module__ != module.__name__
        and not value.__module__.startswith("torch.")
    }


def _is_model(cls: type[nn.Module], node: Definition) -> bool:
    """False for base classes: without a forward of their own, abstract, or only raising."""
    if cls.forward is nn.Module.forward or inspect.isabstract(cls):
        return False
    own = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "forward"]
    return not (own and _only_raises(own[-1]))


def _only_raises(node: ast.FunctionDef) -> bool:
    body = [n for n in node.body if not _is_docstring(n)]
    return all(isinstance(n, (ast.Raise, ast.Pass)) or _is_ellipsis(n) for n in body)


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_ellipsis(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and value.value is ...


def _is_own_function(value: Any, module: ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", "") == module.__name__


def _instances(module: ModuleType, tree: ast.Module) -> tuple[tuple[str, nn.Module], ...]:
    """Models assigned at the top of this very file, each object once."""
    names = dict.fromkeys(_assigned(tree.body))
    found: dict[int, tuple[str, nn.Module]] = {}
    for name in names:
        value = vars(module).get(name)
        if isinstance(value, nn.Module) and not isinstance(value, nn.modules.loss._Loss):
            found.setdefault(id(value), (name, value))
    inner = {id(m) for _, model in found.values() for m in model.modules() if m is not model}
    return tuple(pair for key, pair in found.items() if key not in inner)


def _assigned(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For)):
            yield from _assigned(node.body)
            yield from _assigned(getattr(node, "orelse", []))


def _parts(tree: ast.Module, classes: set[str]) -> set[str]:
    """Names that a class of the file uses, or that are handed on as an argument."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in classes:
            used = {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)}
            found |= used - {node.name}
        elif isinstance(node, ast.FunctionDef):
            found |= set(_passed_on(node)) & classes
    return found


def _takes_model(maker: Maker) -> bool:
    """True for a function that changes a model it is given."""
    first = maker.required[0]
    return first.name in ("module", "model", "net", "network") or "Module" in str(first.annotation)


def _helpers(tree: ast.Module) -> set[str]:
    """Names that other functions and classes use, such as ``conv3x3(in, out)``."""
    return {
        used.id
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        for used in ast.walk(node)
        if isinstance(used, ast.Name) and used.id != node.name
    }


def _passed_on(node: ast.FunctionDef) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and name_of(call.func) not in ("isinstance", "issubclass"):
            values = [*call.args, *(k.value for k in call.keywords)]
            yield from (v.id for v in values if isinstance(v, ast.Name))
