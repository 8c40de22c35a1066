"""Settings objects for a parameter such as ``config``: from classes, parsers and YAML files.

What provides most of the settings that the code reads wins; the nearest does where several do.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml
from torch import nn

from bnlint.domain.graph import Location
from bnlint.domain.objects import home_of
from bnlint.loading.parsing import Source
from bnlint.models.evidence.command_lines import UNSET, assigned_settings, declared_settings
from bnlint.models.evidence.plain_values import Later, built, evaluate, names_of
from bnlint.models.evidence.project import Project
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.lexicon import CONFIG
from bnlint.models.outline import attributes_set, called

_ENOUGH = 0.5
"""The share of the settings that are read which a source must provide to be believed."""


@dataclass(frozen=True, slots=True)
class Provided:
    """Values of settings by name, where they are written, and the object that holds them."""

    values: Mapping[str, Any]
    place: Location | None = None
    whole: Any = None

    def share(self, use: ParameterUse) -> float:
        """The share of the required settings that this provides."""
        wanted = [name for name, field in use.fields.items() if not field.optional]
        if not wanted:
            return 0.0
        return sum(self.values.get(name, UNSET) is not UNSET for name in wanted) / len(wanted)


def settings_for(
    use: ParameterUse, source: Source, names: Mapping[str, Any], project: Project | None
) -> Provided | None:
    """The best source of the settings that are read; None if none has enough of them."""
    best, most = None, _ENOUGH - 1e-9
    for found in _sources(use, source, names, project):
        share = found.share(use)
        if share > most:
            best, most = found, share
        if most == 1.0:
            break
    return best


def _sources(
    use: ParameterUse, source: Source, names: Mapping[str, Any], project: Project | None
) -> Iterator[Provided]:
    yield from _objects(names)
    yield from _in_text(source, names)
    if project is None or not use.fields:
        return
    word = max((n for n, f in use.fields.items() if not f.optional), key=len, default="")
    if not word:
        return
    for text in project.mentioning(word, word.replace("_", "-")):
        yield from _in_text(text, {})
    for path, content in project.settings():
        if word in content:
            yield from _in_file(path, content)


def _objects(names: Mapping[str, Any]) -> Iterator[Provided]:
    """Classes of settings and their instances among the names of the module."""
    for name, value in list(names.items()):
        if name.startswith("__") or isinstance(value, nn.Module):
            continue
        if isinstance(value, type):
            if _is_settings_class(value) and (found := of_class(value)) is not None:
                yield found
        elif isinstance(value, dict) and value and all(isinstance(k, str) for k in value):
            yield Provided(value, whole=value)
        elif CONFIG.fullmatch(name.lower()) and hasattr(value, "__dict__"):
            yield Provided({**_attributes(type(value)), **vars(value)}, whole=value)


def of_class(cls: type) -> Provided | None:
    """What an instance of a settings class has, or the class itself if it needs arguments."""
    try:
        made = cls()
    except Exception:  # it needs arguments, or refuses its own defaults
        return Provided(_attributes(cls), whole=cls) if _attributes(cls) else None
    values = {**_attributes(cls), **getattr(made, "__dict__", {})}
    if isinstance(made, dict):
        values |= made
    code = compile(f"{cls.__name__}()", "<argument>", "eval")
    return Provided(values, whole=Later(f"{cls.__name__}()", code, {cls.__name__: cls}))


def _is_settings_class(cls: type) -> bool:
    if issubclass(cls, nn.Module) or home_of(cls).partition(".")[0] in ("torch", "builtins"):
        return False
    plain = any(not n.startswith("_") and not callable(v) for n, v in vars(cls).items())
    return dataclasses.is_dataclass(cls) or plain or bool(CONFIG.fullmatch(cls.__name__.lower()))


def _attributes(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        found |= {n: v for n, v in vars(base).items() if not n.startswith("_") and _is_value(v)}
    return found


def _is_value(value: Any) -> bool:
    return not callable(value) and not isinstance(value, (property, classmethod, staticmethod))


def _in_text(text: Source, names: Mapping[str, Any]) -> Iterator[Provided]:
    """Parsers, classes and dicts of settings that a file's text declares."""
    if declared := declared_settings(text.tree, names):
        assigned = assigned_settings(text.tree, names, declared)
        yield Provided({**declared, **assigned}, Location(text.path, 1))
    for node in ast.walk(text.tree):
        values = {}
        if isinstance(node, ast.ClassDef) and not names:
            values = _of_class_text(node)
        elif isinstance(node, (ast.Dict, ast.Call)):
            values = dict_of(node)
        if values:
            yield Provided(values, Location(text.path, getattr(node, "lineno", 1)))


def _of_class_text(node: ast.ClassDef) -> dict[str, Any]:
    """Attributes of a class, and those that its constructor sets, with known values."""
    found = {n: v for n, v in names_of(ast.Module(node.body, []), {}).items() if _is_value(v)}
    for target, value in attributes_set(node):
        with contextlib.suppress(ValueError):
            found.setdefault(target.attr, evaluate(value, found))
    return found


def dict_of(node: ast.Dict | ast.Call) -> dict[str, Any]:
    """The values of a literal dict, or of ``dict(a=1)``, that can be known."""
    if isinstance(node, ast.Call):
        if called(node).lower() not in ("dict", "edict", "easydict", "configdict", "namespace"):
            return {}
        pairs = [(k.arg, k.value) for k in node.keywords if k.arg]
    else:
        keys = [k.value if isinstance(k, ast.Constant) else None for k in node.keys]
        pairs = [(k, v) for k, v in zip(keys, node.values, strict=True) if isinstance(k, str)]
    found: dict[str, Any] = {}
    for name, value in pairs:
        with contextlib.suppress(Exception):
            found[name] = built(evaluate(value, {}))
    return found


def _in_file(path: str, text: str) -> Iterator[Provided]:
    """The mappings of a YAML or JSON file: the whole, and each that it contains."""
    data = read_settings(path, text)
    yield from (Provided(values, Location(path, 1)) for values in _mappings(data, 4))


@lru_cache(maxsize=64)
def read_settings(path: str, text: str) -> Any:
    """What a YAML or JSON file holds; None if it is neither."""
    try:
        return json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        return None


def _mappings(data: Any, depth: int) -> Iterator[dict[str, Any]]:
    if not isinstance(data, dict) or depth == 0:
        return
    yield {str(k): v["value"] if _is_wrapped(v) else v for k, v in data.items()}
    for value in data.values():
        yield from _mappings(value, depth - 1)


def _is_wrapped(value: Any) -> bool:
    return isinstance(value, dict) and "value" in value and len(value) <= 2
