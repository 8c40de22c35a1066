"""What there is to check in a module: models that the user named, else all that it offers.

Nothing is called here; the text of the file says what is a factory and what is a part of what.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

from torch import nn

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import Location
from bnlint.domain.objects import home_of, is_a
from bnlint.domain.request import ModelSpec
from bnlint.loading.parsing import Source
from bnlint.models import concealed, outline
from bnlint.models.held_modules import held_modules
from bnlint.models.lexicon import LOSS, MODELS, TARGET


@dataclass(frozen=True, slots=True)
class Maker:
    """A class or a factory of the file that returns a model when it is called.

    ``part`` is true if another class of the file mentions it: then it is a block, unless nothing
    bigger can be built. ``root`` is what a factory calls in the end, so that fifty factories of one
    class are known as such. ``aside`` is true for what is no model alone: a part, a loss, a base of
    other classes, a private class, a function with required arguments.
    """

    name: str
    origin: str
    make: Callable[..., Any]
    parameters: tuple[inspect.Parameter, ...]
    definition: Location | None
    part: bool
    root: str
    aside: bool = False

    @property
    def required(self) -> tuple[inspect.Parameter, ...]:
        """The parameters without a default, which a call must fill."""
        fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return tuple(p for p in self.parameters if p.default is p.empty and p.kind not in fixed)


@dataclass(frozen=True, slots=True)
class Survey:
    """The models of a file: instances by name, and makers with whole models before blocks.

    ``classes`` counts the file's own classes of modules, also those that are no models.
    """

    instances: tuple[tuple[str, nn.Module], ...]
    makers: tuple[Maker, ...]
    classes: int


@dataclass(frozen=True, slots=True)
class Named:
    """What the user named: a model, something to call without arguments, or a whole call."""

    name: str
    value: Any = None
    call: Callable[[], Any] | None = None


def survey(module: ModuleType, source: Source) -> Survey:
    """What the module offers, in the order in which it should be tried."""
    defined = outline.definitions(source.tree)
    defined |= {n.name: n for n in concealed.define_main_classes(module, source)}
    lost = {n: c for n, c in concealed.classes_of(module).items() if _is_lost(n, c, module)}
    names = {**vars(module), **lost}
    every = {n: c for n, c in names.items() if is_a(c, type)}
    homes = {n: home_of(c) for n, c in every.items() if issubclass(c, nn.Module)}
    own = {n for n, home in homes.items() if home == module.__name__}
    classes = {n: every[n] for n in own if every[n].__qualname__ == n}
    foreign = {n for n in homes if n not in own and not homes[n].startswith("torch.")}
    parts = outline.parts(source.tree, set(classes))
    roots = outline.factories(defined, {*classes, *foreign})
    helpers = outline.helpers(source.tree)
    makers: list[Maker] = []
    for name in dict.fromkeys([*defined, *classes]):
        node = defined.get(name) or _nested(source.tree, name)
        value: Any = names.get(name)
        local = callable(value) and home_of(value) == module.__name__
        part, at = name in parts, outline.location_of(node, source.path) if node else None
        if name in classes and _is_model(classes[name], node):
            aside = part or _is_no_model_alone(classes[name], node, classes)
            makers.append(Maker(name, "class", value, _parameters(value), at, part, name, aside))
        elif name in roots and local:
            maker = Maker(name, "factory", value, _parameters(value), at, part, roots[name])
            maker = replace(maker, aside=part or name.startswith("_") or bool(maker.required))
            helps = roots[name] in foreign or name in helpers
            if not (maker.required and (helps or _takes_model(maker))):
                makers.append(maker)
    makers += _made_elsewhere(module, source, bool(makers))
    # whole models before blocks, complete calls before guessed ones, public names first
    makers.sort(key=lambda m: (m.part, bool(m.required), m.name.startswith("_")))
    return Survey(_instances(module, source.tree), tuple(makers), len(classes))


def _made_elsewhere(module: ModuleType, source: Source, others: bool) -> Iterator[Maker]:
    """Partial calls of classes, and models that only code builds which does not run at import."""
    for name, value in concealed.partials(module, source.tree.body):
        yield Maker(name, "factory", value, _parameters(value), None, False, value.func.__name__)
    if others or _instances(module, source.tree):
        return
    for name, later, node in concealed.unbuilt(module, source):
        at = outline.location_of(node, source.path)
        yield Maker(name, "instance", later.value, (), at, False, name)


def _is_lost(name: str, cls: type, module: ModuleType) -> bool:
    """True for a class that no name of the module leads to, other than through another class."""
    plain = "<locals>" not in name
    return plain and not any(value is cls for value in vars(module).values())


def _nested(tree: ast.Module, name: str) -> outline.Definition | None:
    wanted = name.rpartition(".")[2]
    found = (n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == wanted)
    return next(found, None)


def maker_of(value: Any, name: str, source: Source) -> Maker:
    """A maker for anything callable, defined in the file or not."""
    nodes = (n for n in ast.walk(source.tree) if isinstance(n, outline.Definition))
    node = next((n for n in nodes if n.name == name), None)
    location = outline.location_of(node, source.path) if node else None
    origin = "class" if is_a(value, type) else "factory"
    return Maker(name, origin, value, _parameters(value), location, False, name)


def maker_named(module: ModuleType, source: Source, named: Named) -> Maker:
    """The maker that the user named, as it is found without a name where it is one of the file."""
    found = (m for m in survey(module, source).makers if m.name == named.name)
    return next((m for m in found if m.make is named.value), None) or maker_of(
        named.value, named.name, source
    )


def resolve(spec: ModelSpec, names: Mapping[str, Any], path: str) -> Named | Problem:
    """What the user named, not yet called; a Problem if the file has no such name."""
    try:
        node = ast.parse(spec.call, mode="eval").body
    except SyntaxError as error:
        return _wrong(spec, path, f"`{spec.call}` is not a name or a call: {error.msg}")
    func = node.func if isinstance(node, ast.Call) else node
    if not isinstance(func, (ast.Name, ast.Attribute)):
        return _wrong(spec, path, f"`{spec.call}` is neither a name nor the call of one")
    name = ast.unparse(func)
    try:
        value = eval(name, {"__builtins__": {}}, dict(names))
    except (NameError, AttributeError):
        return _unknown(spec, name, names, path)
    if isinstance(node, ast.Call):
        return Named(name, value, partial(eval, spec.call, dict(names)))
    if is_a(value, nn.Module) or callable(value):
        return Named(name, value)
    return _wrong(
        spec, path, f"`{name}` is {type(value).__name__}, not a model or a way to get one"
    )


def _parameters(value: Any) -> tuple[inspect.Parameter, ...]:
    try:
        return tuple(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return ()


def _is_model(cls: type[nn.Module], node: outline.Definition | None) -> bool:
    """False for base classes: without a forward of their own, abstract, or only raising."""
    forward = getattr(cls, "forward", None)  # a scripted class has none to look at
    if forward in (None, nn.Module.forward) or inspect.isabstract(cls):
        return False
    return node is None or not outline.only_raises(node)


def _is_no_model_alone(
    cls: type[nn.Module], node: outline.Definition | None, classes: Mapping[str, type[nn.Module]]
) -> bool:
    """True for a loss, a base of other classes of the file, and a private class."""
    if cls.__name__.startswith("_") or issubclass(cls, nn.modules.loss._Loss):
        return True
    if any(cls in other.__mro__[1:] for other in classes.values()):
        return True
    forward = outline.own_forward(node) if node else None
    names = [a.arg for a in forward.args.args] if forward else []
    return bool(LOSS.search(cls.__name__.lower())) or any(map(TARGET.fullmatch, names))


def _instances(module: ModuleType, tree: ast.Module) -> tuple[tuple[str, nn.Module], ...]:
    """Models assigned at the top of this very file, each object once."""
    names = dict.fromkeys(outline.assigned_names(tree.body))
    found: dict[int, tuple[str, nn.Module]] = {}
    for name in names:
        value: Any = vars(module).get(name)
        if is_a(value, nn.Module) and not is_a(value, nn.modules.loss._Loss):
            found.setdefault(id(value), (name, value))
    inner = {id(m) for _, model in found.values() for path, m in held_modules(model) if path}
    return tuple(pair for key, pair in found.items() if key not in inner)


def _takes_model(maker: Maker) -> bool:
    """True for a function that changes a model that it takes."""
    first = maker.required[0]
    return first.name in MODELS or "Module" in str(first.annotation)


def _unknown(spec: ModelSpec, name: str, names: Mapping[str, Any], path: str) -> Problem:
    useful = [n for n, v in names.items() if callable(v) or is_a(v, nn.Module)]
    public = [n for n in useful if not n.startswith("_")]
    if close := difflib.get_close_matches(name, public, 1, 0.5):
        hint = f"did you mean `{close[0]}`?"
    else:
        hint = f"it has {', '.join(public[:10])}" if public else "it has no model at all"
    return _wrong(spec, path, f"has no `{name}`", hint)


def _wrong(spec: ModelSpec, path: str, message: str, hint: str = "") -> Problem:
    return Problem(ProblemKind.NO_MODEL, path, message, hint, model=spec.call, blocking=True)
