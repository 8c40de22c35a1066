"""Calls that settings describe: the name of a class beside its arguments, in a file or a dict.

Written as Hydra (``_target_``), Lightning (``class_path``, ``init_args``), OpenMMLab (``type``) and
many templates do (``name`` or ``arch`` beside ``args``). A section without a name describes the
call of which it has most arguments, and hardly anything else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bnlint.domain.graph import Location
from bnlint.models.evidence.configured import dict_of, read_settings
from bnlint.models.evidence.project import Project
from bnlint.models.evidence.written_calls import Callee, Surroundings, WrittenCall

_ARGUMENTS = re.compile(
    r"(\w+_)?(args|arguments|kwargs|params|parameters|config|cfg|options|opts?)"
)
"""Entries that hold the arguments of what another entry names."""

_DEEPEST = 6

_LEAST = 4
"""The arguments that a section without the name of a class must have."""

_MOST = 0.6
"""The share of the parameters that it must have, and of its entries that must be parameters."""


def calls_in_settings(callee: Callee, known: Surroundings) -> Iterator[WrittenCall]:
    """Calls that files of settings in the project describe, then those in dicts of its code."""
    if known.project is None:
        return
    for path, text in known.project.settings():
        if callee.name.lower() in text.lower():
            for values in _described(read_settings(path, text), callee, _DEEPEST):
                yield WrittenCall(values, (), Location(path, _line(text, callee.name)))
    yield from _in_sections(callee, known.project)
    for source in (known.source, *known.project.mentioning(callee.name)):
        for node in _dicts(source.tree).get(callee.name.lower(), ()):
            for values in _described(dict_of(node), callee, 1):
                place = known.project.placed(Location(source.path, node.lineno))
                yield WrittenCall(values, (), place)


def _in_sections(callee: Callee, project: Project) -> Iterator[WrittenCall]:
    """Calls of which files of settings have the arguments without the name."""
    for path, text in project.settings() if len(callee.parameters) >= _LEAST else ():
        if sum(name in text for name in callee.parameters) >= _LEAST:
            for values in _sections(read_settings(path, text), callee, _DEEPEST):
                yield WrittenCall(values, (), Location(path, _line(text, next(iter(values)))))


def _described(data: Any, callee: Callee, left: int) -> Iterator[dict[str, Any]]:
    """The arguments in each mapping that names the class, from the outside in."""
    if left == 0:
        return
    inner: Sequence[Any] = data if isinstance(data, list) else ()
    if isinstance(data, Mapping):
        inner = list(data.values())
        named = any(_is_name(value, callee.name) for value in inner)
        if named and (arguments := _arguments(data, callee)):
            yield arguments
    for value in inner:
        yield from _described(value, callee, left - 1)


def _sections(data: Any, callee: Callee, left: int) -> Iterator[dict[str, Any]]:
    """The arguments in each mapping that has most of them, from the outside in."""
    if left == 0 or not isinstance(data, Mapping):
        return
    found = {k: v for k, v in data.items() if k in callee.parameters and _is_stated(v)}
    if len(found) >= max(_LEAST, _MOST * len(callee.parameters), _MOST * len(data)):
        yield found
    for value in data.values():
        yield from _sections(value, callee, left - 1)


def _arguments(data: Mapping[Any, Any], callee: Callee) -> dict[str, Any]:
    """What the mapping says of the parameters, in an entry of its own or beside the name."""
    own = [v for k, v in data.items() if isinstance(v, Mapping) and _ARGUMENTS.fullmatch(str(k))]
    for found in (*own, data):
        known = {k: v for k, v in found.items() if k in callee.parameters}
        known = {k: v for k, v in known.items() if _is_stated(v) and not _is_name(v, callee.name)}
        if known:
            return known
    return {}


def _is_stated(value: Any) -> bool:
    """False for what a template leaves to be filled in."""
    return value is not None and value != "" and not (type(value) is int and value == 0)


def _is_name(value: Any, name: str) -> bool:
    """True for ``Net``, ``models.net.Net`` and ``net``."""
    return isinstance(value, str) and _last(value) == name.lower()


def _last(text: str) -> str:
    return re.split(r"[.:/]", text)[-1].lower()


@lru_cache(maxsize=256)
def _dicts(tree: ast.Module) -> Mapping[str, list[ast.Dict | ast.Call]]:
    """The dicts in a text, by each name that an entry of theirs may be."""
    found: dict[str, list[ast.Dict | ast.Call]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Dict, ast.Call)):
            parts = node.values if isinstance(node, ast.Dict) else [k.value for k in node.keywords]
            texts = {_last(p.value) for p in parts if _is_text(p)}  # type: ignore[attr-defined]
            for name in texts:
                found.setdefault(name, []).append(node)
    return found


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _line(text: str, name: str) -> int:
    before = re.split(rf"(?i)\b{re.escape(name)}\b", text, maxsplit=1)[0]
    return before.count("\n") + 1
