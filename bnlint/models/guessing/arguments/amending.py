"""Another try for a call that failed: what the error says of a guessed argument is changed.

Guessed arguments and settings are changed, no others. A list is tried where a number was
subscripted, another word where none of those compared with was given, a larger number where
something does not divide.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pkgutil import iter_modules
from typing import Any

from torch import nn

from bnlint.domain.objects import is_a
from bnlint.models.guessing.arguments.blamed import (
    Blame,
    ErrorAt,
    Path,
    blamed,
    guards,
    origins,
    spots_of,
)
from bnlint.models.guessing.arguments.knowledge import Part
from bnlint.models.guessing.arguments.revising import (
    NOT_GUESSED,
    current_value,
    guessed_paths,
    revised,
    settings_at,
)
from bnlint.models.guessing.arguments.told_changes import CHANGES, is_number
from bnlint.models.guessing.arguments.told_values import equals, told_values
from bnlint.models.guessing.guess import Guess
from bnlint.models.lexicon import PROFILES, WIDTH, in_lower_case, layer_type, number

_SIZES = (
    *(WIDTH, 32, 128, 16, 256, 96, 8, 10, 12, 18, 512, 4, 2, 1, 3, 6, 24, 48, 192, 384, 768),
    224,
)

_MODULES = 6
"""The modules of a package that are tried where one is asked for that is not there."""


def amended(guess: Guess, error: BaseException, tried: set[str]) -> Guess | None:
    """A call like ``guess`` that the same error does not refuse, none of those that were tried.

    None if no guessed argument is to blame.
    """
    spots = spots_of(error)
    if not spots or not isinstance(error, Exception):
        return None
    for path, value in _changes(guess, error, spots):
        changed = revised(guess, path, value)
        if changed.key() not in tried:
            return changed
    return None


def _changes(guess: Guess, error: Exception, spots: list[ErrorAt]) -> Iterator[tuple[Path, Any]]:
    """Guessed arguments and settings with other values for them, the likeliest first."""
    text = f"{type(error).__name__}: {error}"
    faults = blamed(spots)
    if isinstance(error, (AttributeError, KeyError)):
        yield from _missing(guess, faults, spots)
    if isinstance(error, ModuleNotFoundError):
        yield from _by_modules(guess, faults, error.name or "")
    yield from _told(guess, str(error))
    if "is not a Module subclass" in text:
        yield from _as_modules(guess)
    if "NoneType" in text:
        yield from _by_flags(guess, spots)
    yield from _by_rules(guess, faults, text)
    stated = (ValueError, AssertionError, NotImplementedError, KeyError, RuntimeError)
    if isinstance(error, stated) or type(error) is Exception:
        yield from _by_classes(guess, spots)
        yield from _by_lengths(guess, spots)
        yield from _by_guards(guess, spots)
    if isinstance(error, UnboundLocalError):
        yield from _by_comparisons(guess, spots)


def _told(guess: Guess, text: str) -> Iterator[tuple[Path, Any]]:
    """Values that the error's text asks for by the name of the argument."""
    for path in guessed_paths(guess):
        current = current_value(guess, path)
        if current is not NOT_GUESSED:
            for value in told_values(path[-1], text, current):
                if not (isinstance(value, str) and value in guess.kwargs):
                    yield path, value


def _as_modules(guess: Guess) -> Iterator[tuple[Path, Any]]:
    """Layers in place of their classes, and of what only sounds like a layer."""
    for path in guessed_paths(guess):
        current = current_value(guess, path)
        if isinstance(current, type) and issubclass(current, nn.Module):
            yield path, Part(current, {})
        elif type(current) is int and layer_type(path[-1].lower()) is nn.ReLU:
            yield path, Part(nn.ReLU, {})


def _by_rules(guess: Guess, faults: list[Blame], text: str) -> Iterator[tuple[Path, Any]]:
    for pattern, change in CHANGES:
        if not re.search(pattern, text):
            continue
        for fault in faults:
            for path in fault.paths:
                current = current_value(guess, path)
                if current is NOT_GUESSED:
                    continue
                value = change(current, fault, text)
                if value is not NOT_GUESSED:
                    yield path, value


def _missing(guess: Guess, faults: list[Blame], spots: list[ErrorAt]) -> Iterator[tuple[Path, Any]]:
    """A number for a setting of which nothing is known, and a key that a dict has."""
    for fault in faults:
        for path in fault.paths:
            owner = settings_at(guess, path)
            if owner is not None and path[-1] not in owner:
                yield path, _number(path[-1])
    while len(spots) > 1 and spots[-1].function.name in ("__getitem__", "__missing__"):
        spots = spots[:-1]  # of a dict of the user's own class
    node = spots[-1].node
    if isinstance(node, ast.Subscript):
        table = spots[-1].value(node.value)
        missing = spots[-1].value(node.slice)
        for path in origins(spots, node.slice) if isinstance(table, dict) else ():
            current = current_value(guess, path)
            if current is not NOT_GUESSED:
                yield from ((path, value) for value in _numbered(table, missing, current))
                yield from ((path, key) for key in islice(table, 4))


def _numbered(table: dict[Any, Any], missing: Any, current: Any) -> Iterator[int]:
    """The numbers that keys have where the missing one has the guessed number: ``resnet18``."""
    if type(current) is not int or not isinstance(missing, str) or str(current) not in missing:
        return
    pattern = re.compile(re.escape(missing).replace(str(current), r"(\d+)", 1))
    found = (pattern.fullmatch(key) for key in table if isinstance(key, str))
    yield from islice((int(match[1]) for match in found if match), 4)


def _by_modules(guess: Guess, faults: list[Blame], missing: str) -> Iterator[tuple[Path, Any]]:
    """Names that modules of a package have where code asks for one: ``models.{name}``."""
    home, _, own = missing.rpartition(".")
    folders = [*getattr(sys.modules.get(home), "__path__", ())]
    for path in (path for fault in faults for path in fault.paths):
        current = str(current_value(guess, path))
        if home and current and current.lower() in own.lower():
            pattern = re.escape(own.lower()).replace(re.escape(current.lower()), r"(\w+)", 1)
            names = (re.fullmatch(pattern, each.name) for each in iter_modules(folders))
            yield from islice(((path, name[1]) for name in names if name), _MODULES)


def _by_guards(guess: Guess, spots: list[ErrorAt]) -> Iterator[tuple[Path, Any]]:
    """Values for which the conditions around a ``raise`` come out the other way."""
    tests = guards(spots[-1])
    for test in tests:
        for node in ast.walk(test):
            if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
                for path in origins(spots, node):
                    current = current_value(guess, path)
                    if current is not NOT_GUESSED:
                        yield from _others(current, path, test, node, spots[-1], tests)


def _guarding(spot: ErrorAt) -> Iterator[ast.AST]:
    """Every part of the conditions around a line that failed."""
    return (part for test in guards(spot) for part in ast.walk(test))


def _by_flags(guess: Guess, spots: list[ErrorAt]) -> Iterator[tuple[Path, Any]]:
    """Flags the other way round, without which the failing line is not run."""
    for node in _guarding(spots[-1]):
        if isinstance(node, (ast.Name, ast.Attribute)):
            for path in origins(spots, node):
                current = current_value(guess, path)
                if isinstance(current, bool):
                    yield path, not current


def _by_classes(guess: Guess, spots: list[ErrorAt]) -> Iterator[tuple[Path, Any]]:
    """An object of the class that a check asks for: ``assert isinstance(config, Config)``."""
    for node in _guarding(spots[-1]):
        match node:
            case ast.Call(func=ast.Name(id="isinstance"), args=[asked, cls]):
                wanted = spots[-1].value(cls)
                wanted = wanted[0] if isinstance(wanted, tuple) and wanted else wanted
                for path in origins(spots, asked) if isinstance(wanted, type) else ():
                    held = guess.kwargs.get(path[0])
                    if len(path) == 1 and path[0] in guess.guessed and not is_a(held, wanted):
                        yield path, Part(wanted, _required(wanted))


def _required(cls: type) -> dict[str, Any]:
    """Numbers for the arguments that a class requires."""
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return {}
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {p.name: _number(p.name) for p in plain if p.default is p.empty}


def _number(name: str) -> Any:
    """A number for a name, also where it says nothing."""
    found = number(in_lower_case(name), PROFILES[0])
    return WIDTH if found is None else found


def _by_lengths(guess: Guess, spots: list[ErrorAt]) -> Iterator[tuple[Path, Any]]:
    """Lists as long as the conditions around a ``raise`` ask for: ``if len(sizes) == 1``."""
    for node in _guarding(spots[-1]):
        match node:
            case ast.Compare(left=ast.Call(func=ast.Name(id="len"), args=[measured])):
                for path in origins(spots, measured):
                    current = current_value(guess, path)
                    for length in _literals([node]) if is_a(current, (list, tuple)) else ():
                        if current and type(length) is int and 0 < length != len(current):
                            yield path, [*islice(cycle(current), length)]


def _others(
    current: Any,
    path: Path,
    test: ast.expr,
    node: ast.expr,
    spot: ErrorAt,
    tests: list[ast.expr],
) -> Iterator[tuple[Path, Any]]:
    before = _holds(test, spot, "", None)
    for option in (*_literals(tests), *(_SIZES if is_number(current) else ())):
        if equals(option, current) or type(option) is bool:
            continue
        if option == 0 and is_number(current) and not _compares(test, node):
            continue  # what is left of a division, no size
        name = node.id if isinstance(node, ast.Name) else ""
        direct = name and equals(spot.frame.f_locals.get(name), current)
        if not direct or _holds(test, spot, name, option) is not before:
            yield path, option


def _compares(test: ast.expr, node: ast.expr) -> bool:
    """True if a condition compares the very value: ``mode == 0``."""
    comparisons = (part for part in ast.walk(test) if isinstance(part, ast.Compare))
    return any(node in (each.left, *each.comparators) for each in comparisons)


def _by_comparisons(guess: Guess, spots: list[ErrorAt]) -> Iterator[tuple[Path, Any]]:
    """Literals that the function compares a guessed value with: one of its branches was missing."""
    for node in ast.walk(spots[-1].function):
        if isinstance(node, ast.Compare):
            for path in origins(spots, node.left):
                current = current_value(guess, path)
                for option in _literals([node]) if current is not NOT_GUESSED else ():
                    if not equals(option, current):
                        yield path, option


def _holds(test: ast.expr, spot: ErrorAt, name: str, value: Any) -> bool | None:
    try:
        code = compile(ast.Expression(test), "<condition>", "eval")
        given = {**spot.frame.f_locals, **({name: value} if name else {})}
        return bool(eval(code, {**spot.frame.f_globals, **given}))
    except Exception:
        return None


def _literals(tests: list[ast.expr]) -> list[Any]:
    """The texts and numbers in conditions, in their order."""
    found = (n.value for t in tests for n in ast.walk(t) if isinstance(n, ast.Constant))
    return list(dict.fromkeys(v for v in found if isinstance(v, (str, int)) and v is not True))
