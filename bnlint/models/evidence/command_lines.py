"""Settings that a program reads from its command line, with the defaults in its text."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from bnlint.models.evidence.plain_values import evaluate, names_of
from bnlint.models.outline import attributes_set, called

_TYPES = {"int": int, "float": float, "str": str}
_FLAGS = {"store_true": False, "store_false": True}
_DEFINED = ("DEFINE_integer", "DEFINE_float", "DEFINE_string", "DEFINE_bool", "DEFINE_boolean")
"""Functions of absl that define a setting by name and default."""

UNSET = object()
"""The value of a setting without a default, whose name is all that is known."""


def declared_settings(tree: ast.Module, names: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that all parsers of a file declare, by the attribute that holds them."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    if not any(called(call) in ("add_argument", "option", *_DEFINED) for call in calls):
        return {}
    known = names_of(
        ast.Module([n for n in tree.body if not isinstance(n, ast.ClassDef)], []), names
    )
    found: dict[str, Any] = {}
    for call in calls:
        for name, value in _declared(call, known):
            if found.get(name, UNSET) is UNSET:
                found[name] = value
    return found


def assigned_settings(
    tree: ast.Module, names: Mapping[str, Any], declared: Mapping[str, Any]
) -> dict[str, Any]:
    """Values that a file assigns to attributes of its settings: ``args.width = 64``.

    ``declared`` are the settings that the values may depend on.
    """
    found: dict[str, Any] = {}
    known = {name: value for name, value in declared.items() if value is not UNSET}
    for target, value in attributes_set(tree):
        owner = {ast.unparse(target.value): SimpleNamespace(**{**known, **found})}
        with contextlib.suppress(ValueError):
            found[target.attr] = evaluate(value, {**names, **owner})
    return found


def _declared(call: ast.Call, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    name = called(call)
    if name == "set_defaults":
        for keyword in call.keywords:
            if keyword.arg:
                yield keyword.arg, _value(keyword.value, names)
    elif name in _DEFINED and len(call.args) > 1 and isinstance(call.args[0], ast.Constant):
        yield str(call.args[0].value), _value(call.args[1], names)
    elif name in ("add_argument", "option"):
        given = {k.arg: k.value for k in call.keywords if k.arg}
        if (destination := _destination(call, given)) and destination != "help":
            yield destination, _default(given, names)


def _destination(call: ast.Call, given: Mapping[str, ast.expr]) -> str:
    if isinstance(named := given.get("dest"), ast.Constant):
        return str(named.value)
    flags = [a.value for a in call.args if isinstance(a, ast.Constant)]
    texts = [flag for flag in flags if isinstance(flag, str)]
    long = [t for t in texts if t.startswith("--")] or texts
    return long[0].lstrip("-").replace("-", "_") if long else ""


def _default(given: Mapping[str, ast.expr], names: Mapping[str, Any]) -> Any:
    action = getattr(given.get("action"), "value", None)
    if "default" in given:
        return _converted(_value(given["default"], names), given.get("type"))
    if action in _FLAGS:
        return _FLAGS[action]
    if "choices" in given:
        choices = _value(given["choices"], names)
        if isinstance(choices, (list, tuple)) and choices:
            return choices[0]
    return UNSET


def _converted(value: Any, kind: ast.expr | None) -> Any:
    """The default as the parser returns it: a text goes through the type, too."""
    convert = _TYPES.get(kind.id) if isinstance(kind, ast.Name) else None
    if not isinstance(value, str) or convert is None:
        return value
    try:
        return convert(value)
    except ValueError:
        return value


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    try:
        return evaluate(node, names)
    except ValueError:
        return UNSET
