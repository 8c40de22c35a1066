"""Names that the top of a file should have set, but that its failed statements left unset: guessed.

A script reads data that is not there, and its model takes the sizes from it:
``n_features = X.shape[1]``. Such a name is guessed like an argument, by what the definitions that
read it do with it and by what it is called.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dis
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from torch import nn

from bnlint.domain.objects import is_a
from bnlint.loading.missing.stubs import Stub
from bnlint.loading.parsing import Source
from bnlint.loading.weights import AbsentWeights
from bnlint.models.evidence.bodies import Bodies
from bnlint.models.evidence.callees import names_of_arguments
from bnlint.models.evidence.following import Follower, Uses
from bnlint.models.evidence.plain_values import Later, built, evaluate
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.guessing.arguments.guessed_settings import GuessedSettings
from bnlint.models.guessing.arguments.knowledge import Knowledge
from bnlint.models.guessing.arguments.of_parameters import settings, values_of
from bnlint.models.lexicon import PROFILES, WIDTH, in_lower_case, number
from bnlint.models.outline import (
    Definition,
    assigned,
    assigned_names,
    called,
    definitions,
    factories,
    names_read,
)

_FEW = 10
"""The guess for the number of something in data, if its name says nothing."""

_STANDING_IN = (Stub, AbsentWeights)
"""What replaces a missing package, and what was not downloaded."""

_COUNTING = frozenset({"len", "max", "min", "int", "sum", "nunique", "unique"})


@dataclass(slots=True)
class AbsentNames:
    """The names that were guessed, and which definitions of the file read which names.

    ``computed`` are the names at the top of the file that depend on a guessed one, that included.
    """

    guessed: dict[str, Any] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    read: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def behind(self, definition: str) -> tuple[str, ...]:
        """What was guessed of what a class or function of the file reads, also through others.

        Of settings objects, the settings that were.
        """
        reached = sorted(_reached([definition], self.read) & self.guessed.keys())
        return tuple(said for name in reached for said in _said(name, self.guessed[name]))

    def apart_from(self, names: Mapping[str, Any]) -> Mapping[str, Any]:
        """The names of the file that were not guessed."""
        if not self.guessed:
            return names
        return {name: value for name, value in names.items() if name not in self.guessed}


def _said(name: str, value: Any) -> tuple[str, ...]:
    inner = value.guessed() if isinstance(value, GuessedSettings) else ()
    return inner or (name,)


def supply(source: Source, names: dict[str, Any], lost: Sequence[ast.stmt] = ()) -> AbsentNames:
    """Guess what models of the file need and its ``names`` lack, and set it there.

    A name is absent if only statements that were ``lost`` would set it, or if its value replaces
    something of a missing package. Parsed arguments are completed by those that have no default.
    Classes that could not be defined for lack of such a name are defined.
    """
    expressions = dict(_expressions(source.tree))
    absent = list(dict.fromkeys(_absent(expressions, names, lost)))
    if not absent:
        return AbsentNames()
    defined = definitions(source.tree)
    found = AbsentNames(read={name: frozenset(_globals_of(n)) for name, n in defined.items()})
    starts = _starts(defined, names)
    wanted = (_reached(starts, found.read) | _passed(expressions, starts)) & set(absent)
    wanted |= {n for name in wanted for n in _operands(expressions.get(name))} & set(absent)
    uses = _uses(source, names, wanted)
    for name in (name for name in absent if name in wanted):
        value = _value(name, expressions.get(name), uses, names)
        if value is not None:
            names[name] = found.guessed[name] = value
    found.computed = frozenset(_computed(expressions, set(found.guessed)))
    if found.guessed:
        _define([n for name, n in defined.items() if name not in names], source, names)
    return found


def _absent(
    expressions: Mapping[str, ast.expr], names: Mapping[str, Any], lost: Sequence[ast.stmt]
) -> Iterator[str]:
    for node in lost:
        yield from (name for name in assigned_names([node]) if name not in names)
    hollow = _hollow(expressions, names)
    for name, value in names.items():
        if type(value) is argparse.Namespace:
            lacks = None in vars(value).values()
        else:
            lacks = name in hollow if type(value) is int else is_a(value, _STANDING_IN)
        if lacks:
            yield name


def _hollow(expressions: Mapping[str, ast.expr], names: Mapping[str, Any]) -> set[str]:
    """The names whose values replace something missing, and those computed from one of them."""
    return _computed(expressions, {n for n, v in names.items() if is_a(v, _STANDING_IN)})


def _computed(expressions: Mapping[str, ast.expr], names: set[str]) -> set[str]:
    """The names, and those whose expressions lead to one of them."""
    found, before = {*names}, 0
    while before != len(found):
        before = len(found)
        found |= {name for name, node in expressions.items() if names_read(node) & found}
    return found


def _passed(expressions: Mapping[str, ast.expr], models: list[str]) -> set[str]:
    """The names that the top of the file passes to what makes a model."""
    calls = (n for node in expressions.values() for n in ast.walk(node) if isinstance(n, ast.Call))
    return {name for call in calls if called(call) in models for name in names_read(call)}


def _starts(defined: Mapping[str, Definition], names: Mapping[str, Any]) -> list[str]:
    """The classes of models, also those that could not be defined, and functions that make one."""
    classes = {name for name, node in defined.items() if isinstance(node, ast.ClassDef)}
    models = {n for n in classes if n not in names or _is_model(names[n])}
    return [*models, *factories(dict(defined), models)]


def _is_model(value: Any) -> bool:
    return is_a(value, type) and issubclass(value, nn.Module)


def _reached(starts: list[str], read: Mapping[str, frozenset[str]]) -> set[str]:
    """The names that definitions lead to, themselves included."""
    known, left = set[str](), [*starts]
    while left:
        name = left.pop()
        if name not in known:
            known.add(name)
            left += read.get(name, ())
    return known


def _globals_of(node: ast.stmt) -> Iterator[str]:
    with contextlib.suppress(SyntaxError):
        yield from _globals_in(compile(ast.Module([node], []), "<definition>", "exec"))


def _globals_in(code: CodeType) -> Iterator[str]:
    """The names that code and the functions in it look up in the module."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _globals_in(inner)


def _expressions(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """What the top of the file, or a block there that is run, sets names to."""
    blocks = [*tree.body]
    while blocks:
        node = blocks.pop()
        if isinstance(node, (ast.If, ast.Try, ast.With, ast.For)):
            blocks += node.body
        yield from assigned(node)


def _operands(node: ast.expr | None) -> Iterator[str]:
    """The names that arithmetic is made of."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.BinOp):
        yield from (*_operands(node.left), *_operands(node.right))


def _uses(source: Source, names: Mapping[str, Any], wanted: set[str]) -> Uses:
    """What the classes and functions of the file do with the names."""
    uses = {name: ParameterUse() for name in wanted}
    follower = Follower(Bodies(source), names)
    for node in definitions(source.tree).values():
        for part in ast.walk(node):
            if isinstance(part, ast.FunctionDef):
                follower.read(part, _unshadowed(uses, part), None)
    return uses


def _unshadowed(uses: Uses, body: ast.FunctionDef) -> Uses:
    """The uses without those names that a function has for itself."""
    own = names_of_arguments(body)
    return {name: use for name, use in uses.items() if name not in own}


def _value(name: str, node: ast.expr | None, uses: Uses, names: Mapping[str, Any]) -> Any:
    """A value for the name; None if nothing is known about it."""
    use, known = uses[name], Knowledge(PROFILES[0], names, uses)
    if isinstance(present := names.get(name), argparse.Namespace):
        given = {key: value for key, value in vars(present).items() if value is not None}
        needed = any(key not in given for key, field_ in use.fields.items() if field_.known)
        return settings(name, use, known, given) if needed else None
    if node is not None and name not in names:
        with contextlib.suppress(ValueError):
            value = evaluate(node, names)
            if not is_a(value, (*_STANDING_IN, Later)):
                return value
    parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
    found = next(values_of(parameter, known), None)
    if is_a(found, type) or (name in names and not _is_data(name, use)):
        return None  # something of a missing package, which a model calls or passes on
    says_number = isinstance(found, int) and found == WIDTH and not use.role[0]
    return _FEW if says_number and node is not None and _counts(node) else built(found)


def _is_data(name: str, use: ParameterUse) -> bool:
    """True if the code, or else the name, says that it is a number or an object of settings."""
    says = use.known or number(in_lower_case(name), PROFILES[0]) is not None
    return says and not (use.called or use.applied or use.module or _calls(use))


def _calls(use: ParameterUse) -> bool:
    """True if an attribute of the value, or one of those, is called."""
    return any(f.called or f.applied or _calls(f) for f in use.fields.values())


def _counts(node: ast.expr) -> bool:
    """True for the number of something: ``len(set(labels))``."""
    return isinstance(node, ast.Call) and called(node) in _COUNTING


def _define(nodes: list[Definition], source: Source, names: dict[str, Any]) -> None:
    for node in nodes:
        code = compile(ast.Module([node], []), source.path, "exec", dont_inherit=True)
        with contextlib.suppress(Exception):  # why it failed at first is reported
            exec(code, names)
