"""Calls of a class or factory in source: in its own file, its tests, and files that import it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Protocol

from bnlint.domain.graph import Location
from bnlint.loading.parsing import Source
from bnlint.models.evidence.callees import bound
from bnlint.models.evidence.imports import names_in
from bnlint.models.evidence.plain_values import evaluate, names_of
from bnlint.models.evidence.project import Project
from bnlint.models.evidence.settings_names import SettingsNames
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.outline import called, location_of, mentions, names_read, scopes, tests_of

_MOST = 12
"""Calls that are read for one name."""


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call in source: the arguments whose values are known by parameter, and the others.

    The first ones, ``positions`` of them, are written without their names. ``guessed`` are those
    that depend on a name which was guessed.
    """

    known: Mapping[str, Any]
    unknown: tuple[str, ...]
    place: Location
    positions: int = 0
    guessed: tuple[str, ...] = ()


class Surroundings(Protocol):
    """What is known beside the text of the other files."""

    source: Source
    names: Mapping[str, Any]
    project: Project | None
    absent: Mapping[str, Any]
    computed: frozenset[str]


Configured = Callable[[Source, str, ParameterUse], Any]
"""The settings object that a name such as ``args`` refers to in a file; None if it is unknown.

The use says which settings are read from it.
"""


@dataclass(frozen=True, slots=True)
class Callee:
    """The class or factory whose calls are looked for, and the uses of its parameters."""

    name: str
    parameters: list[str]
    uses: Mapping[str, ParameterUse]
    configured: Configured


def calls_in_file(callee: Callee, known: Surroundings) -> Iterator[WrittenCall]:
    """Calls in the file itself, those under ``__main__`` first, then in its tests."""
    yield from _calls(callee, known.source, known.names, known.absent, known.computed)
    for text in tests_of(known.source):
        yield from _calls(callee, text, known.names)


def calls_in_project(callee: Callee, known: Surroundings) -> Iterator[WrittenCall]:
    """Calls in other files that import the name from the project's own file."""
    if known.project is None:
        return
    for text in known.project.importing(callee.name):
        for call in _calls(callee, text, names_in(text, known.names)):
            yield replace(call, place=known.project.placed(call.place))


def _calls(
    callee: Callee,
    text: Source,
    names: Mapping[str, Any],
    absent: Mapping[str, Any] = MappingProxyType({}),
    computed: frozenset[str] = frozenset(),
) -> Iterator[WrittenCall]:
    count = 0
    naming = [s for s in scopes(text.tree, skip=callee.name) if callee.name in mentions(s)]
    if not naming:
        return
    plain = ast.Module([n for n in text.tree.body if _is_plain(n)], [])
    top = names_of(plain, {**names, **absent}, absent)
    for scope in naming:
        nodes = [n for n in ast.walk(scope) if isinstance(n, ast.Call)]
        nodes = [n for n in nodes if called(n) == callee.name]
        if not nodes or count >= _MOST:
            continue
        local = names_of(scope, top, absent)
        settings = SettingsNames(scope, local)
        for node in map(settings.plain, nodes):
            known = dict(local)
            for name, use in settings.read(node, callee.parameters, callee.uses).items():
                if name not in known and (found := callee.configured(text, name, use)) is not None:
                    known[name] = found
            count += 1
            if (call := _read(node, callee.parameters, known, text.path, computed)) is not None:
                yield call


def _read(
    node: ast.Call,
    parameters: list[str],
    names: Mapping[str, Any],
    path: str,
    computed: frozenset[str],
) -> WrittenCall | None:
    if any(isinstance(a, ast.Starred) for a in node.args):
        return None
    known: dict[str, Any] = {}
    unknown: list[str] = []
    doubtful = [n for n, value in bound(node, parameters) if names_read(value) & computed]
    for name, value in bound(node, parameters):
        try:
            known[name] = _value(value, names)
        except ValueError:
            unknown.append(name)
    for keyword in node.keywords:
        if keyword.arg is None:
            known |= _spread(keyword.value, parameters, names)
    if len(node.args) > len(parameters):
        return None
    by_position = takewhile(known.__contains__, parameters[: len(node.args)])
    place, guessed = location_of(node, path), tuple(name for name in doubtful if name in known)
    return WrittenCall(known, tuple(unknown), place, len(list(by_position)), guessed)


def _spread(node: ast.expr, parameters: list[str], names: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that ``**settings`` passes, if they are known."""
    try:
        value = _value(node, names)
    except ValueError:
        return {}
    return {k: v for k, v in value.items() if k in parameters} if isinstance(value, dict) else {}


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an argument; of a table that is asked for an unknown key, the first one."""
    try:
        if (value := evaluate(node, names)) is None and isinstance(node, ast.Call):
            raise ValueError("settings that lack it say so")
        return value
    except ValueError:
        table = evaluate(node.value, names) if isinstance(node, ast.Subscript) else None
        if not (isinstance(table, dict) and table):
            raise
        return next(iter(table.values()))


def _is_plain(node: ast.stmt) -> bool:
    return not isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not (
        isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
    )
