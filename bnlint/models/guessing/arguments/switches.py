"""Settings switched, where a forward reads an attribute that only some settings set.

``if config.with_text: self.text = ...`` in a constructor, and a forward that reads ``self.text``.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from bnlint.models.evidence.plain_values import Later, built
from bnlint.models.guessing.arguments.blamed import Path
from bnlint.models.guessing.arguments.revising import revised
from bnlint.models.guessing.guess import Guess
from bnlint.models.lexicon import WIDTH
from bnlint.models.outline import attributes_set
from bnlint.models.reading.forward_code import function_tree

_MISSING = re.compile(r"'(\w+)' object has no attribute '(\w+)'")

_DEEPEST = 3
"""Settings objects inside of each other that are searched."""

_PLAIN = (bool, int, float, str, type(None))


def missed_attribute(text: str) -> tuple[str, str] | None:
    """The class and the attribute that it lacks, if an error says so."""
    found = _MISSING.search(text)
    return None if found is None else (found[1], found[2])


def switched(call: Guess, names: Sequence[str], model: nn.Module, text: str) -> Iterator[Guess]:
    """Calls with one setting changed, so that the attribute that an error misses is set.

    ``names`` are those of the parameters.
    """
    missed = missed_attribute(text)
    if missed is None:
        return
    owner, attribute = missed
    first = dict(zip(names, call.args, strict=False))
    guess = replace(call, args=(), kwargs={**first, **call.kwargs})
    for cls in dict.fromkeys(type(m) for m in model.modules() if type(m).__name__ == owner):
        for name, wanted in _conditions(cls, attribute):
            for path, current in _settings(guess, name):
                value = _opposite(current) if isinstance(wanted, bool) else wanted
                if (bool(current) is not wanted) if isinstance(wanted, bool) else current != wanted:
                    guessed = tuple(dict.fromkeys((*guess.guessed, path[0])))
                    yield replace(revised(guess, path, value), guessed=guessed)


def _opposite(value: Any) -> Any:
    """A value of the other truth: a number for None and 0, since it may be a size."""
    if isinstance(value, bool):
        return not value
    return (None if value is not None else WIDTH) if not isinstance(value, int) or value else 1


def _conditions(cls: type, attribute: str) -> Iterator[tuple[str, Any]]:
    """Names that constructors test before they set an attribute, and what is wanted of each."""
    for base in cls.__mro__:
        own = vars(base).get("__init__")
        function = None if own is None else function_tree(inspect.unwrap(own))
        for node in ast.walk(function) if function is not None else ():
            if isinstance(node, ast.If):
                if _sets(node.body, attribute):
                    yield from _wanted(node.test, True)
                elif _sets(node.orelse, attribute):
                    yield from _wanted(node.test, False)


def _sets(body: list[ast.stmt], attribute: str) -> bool:
    found = attributes_set(ast.Module(body, []))
    return any(target.attr == attribute for target, _ in found)


def _wanted(test: ast.expr, value: bool) -> Iterator[tuple[str, Any]]:
    """What each name in a test should be so that the test comes out as ``value``."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _wanted(test.operand, not value)
    elif isinstance(test, ast.BoolOp):
        for operand in test.values:
            yield from _wanted(operand, value)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1:
        yield from _compared(test, value)
    elif name := _last_name(test):
        yield name, value


def _compared(test: ast.Compare, value: bool) -> Iterator[tuple[str, Any]]:
    name, other = _last_name(test.left), test.comparators[0]
    if not name or not isinstance(other, ast.Constant):
        return
    same = isinstance(test.ops[0], (ast.Eq, ast.Is)) is value
    if other.value is None or isinstance(other.value, bool):
        yield name, bool(other.value) is same
    elif same and isinstance(test.ops[0], (ast.Eq, ast.NotEq)):
        yield name, other.value
    elif isinstance(test.ops[0], (ast.Gt, ast.GtE)):
        yield name, value


def _last_name(node: ast.expr) -> str:
    """``with_text`` of ``self.config.with_text``; empty for what is no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _settings(guess: Guess, name: str) -> Iterator[tuple[Path, Any]]:
    """The paths to all settings of this name, and their values."""
    for argument, value in guess.kwargs.items():
        if argument == name and isinstance(value, _PLAIN):
            yield (argument,), value
        elif isinstance(value, Later):
            yield from _inside((argument,), built(value), name, _DEEPEST)
        else:
            yield from _inside((argument,), value, name, _DEEPEST)


def _inside(path: Path, settings: Any, name: str, left: int) -> Iterator[tuple[Path, Any]]:
    held = settings if isinstance(settings, Mapping) else getattr(settings, "__dict__", {})
    if isinstance(settings, (type, nn.Module)) or not left:
        return
    if name in held and isinstance(held[name], _PLAIN):
        yield (*path, name), held[name]
    for key, value in list(held.items()):
        if isinstance(key, str) and not isinstance(value, _PLAIN):
            yield from _inside((*path, key), value, name, left - 1)
