"""Whether the source of a model speaks of a part, so that another call may use it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache, partialmethod
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from bnlint.domain.objects import home_of, is_a
from bnlint.layers.table import containers
from bnlint.models.reading.chosen import chosen_by_inputs

_BUILDER = "__init__"
_BY_NAME = frozenset({"getattr", "get_submodule", "_modules"})
"""What finds a submodule whose name is put together: ``getattr(self, f"layer{i}")``."""
_PIECE = "="
"""Marks a text that may be a part of a name, which no name begins with."""
_BLANK = re.compile(r"\{\w*\}|%[dsi]")
_PART_OF_NAME = re.compile(r"(?=.*[a-zA-Z]\w)(?:\w|\{\w*\}|%[dsi])+")


def is_mentioned(path: str, modules: Mapping[str, nn.Module]) -> bool:
    """True if a method of the class that holds the module at ``path`` names its attribute.

    A layer that is used for other inputs, other flags or by another method than ``forward`` is
    named somewhere besides the constructor. A layer in a container goes by the container's name.
    A class further up counts if it has none of its own with that name.
    """
    owner, name = _owner(path, modules)
    holder = modules[owner]
    if isinstance(holder, containers()) or _speaks(_class(holder), name):
        return True
    above = (modules[path] for path in _upwards(owner)[1:])
    return any(name in spoken_names(_class(m)) and not hasattr(m, name) for m in above)


def _speaks(cls: type, name: str) -> bool:
    """True if the class names the attribute, or may put its name together in a ``getattr``."""
    spoken = spoken_names(cls)
    return name in spoken or any(_is_made_of(name, text) for text in spoken if text[:1] == _PIECE)


def _is_made_of(name: str, text: str) -> bool:
    """Whether a template, or a piece that something is added to, becomes the name."""
    pieces = _BLANK.split(text[1:])
    if len(pieces) > 1:
        return re.fullmatch(".+".join(map(re.escape, pieces)), name) is not None
    return name != pieces[0] and (name.startswith(pieces[0]) or name.endswith(pieces[0]))


def is_optional(path: str, modules: Mapping[str, nn.Module]) -> bool:
    """True if an input may decide whether the module at ``path`` runs.

    It chooses among several, or has a default; it is one of the forward that speaks of the module,
    or of one above that.
    """
    if _is_chosen(path, modules):
        return True
    above = (modules[path] for path in _upwards(_owner(path, modules)[0]))
    return any(_has_options(_class(m)) for m in above if not isinstance(m, containers()))


def _is_chosen(path: str, modules: Mapping[str, nn.Module]) -> bool:
    owner, name = _owner(path, modules)
    return name in chosen_by_inputs(_class(modules[owner]))


def _owner(path: str, modules: Mapping[str, nn.Module]) -> tuple[str, str]:
    """The path of the module whose code may speak of the one at ``path``, and its name there."""
    owner, _, name = path.rpartition(".")
    while owner and isinstance(modules[owner], containers()):
        owner, _, name = owner.rpartition(".")
    return owner, name


def _upwards(path: str) -> list[str]:
    """The path and those of all modules around it, the model's own empty one last."""
    found = [path]
    while path:
        path = path.rpartition(".")[0]
        found.append(path)
    return found


def _class(module: nn.Module) -> Any:
    return type(module)


@lru_cache(maxsize=4096)
def _has_options(cls: type) -> bool:
    try:
        parameters = inspect.signature(cls.forward).parameters.values()  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        return False
    return any(p.default is not p.empty or p.kind is p.VAR_KEYWORD for p in parameters)


@lru_cache(maxsize=4096)
def spoken_names(cls: type) -> frozenset[str]:
    """The names in the methods of a class, except methods that only its constructor calls."""
    names = {name: frozenset(_names(value)) for name, value in _methods(cls)}
    built = _reached(_BUILDER, names) - _reached("forward", names) | {_BUILDER}
    return frozenset().union(*(found for name, found in names.items() if name not in built))


def _methods(cls: type) -> Iterator[tuple[str, Any]]:
    seen = set()
    for base in cls.__mro__:
        if home_of(base).startswith("torch.") or base is object:
            continue
        for name, value in vars(base).items():
            if name not in seen:
                seen.add(name)
                yield name, value


def _names(value: Any) -> Iterator[str]:
    for function in _functions(value):
        yield from _names_of_code(function.__code__)


def _functions(value: Any) -> Iterator[FunctionType]:
    """The functions that an attribute of a class is made of: decorators hold what they wrap."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if is_a(value, FunctionType):
            yield value
            waiting += [cell.cell_contents for cell in value.__closure__ or () if _is_set(cell)]
            waiting.append(vars(value).get("__wrapped__"))
        elif is_a(value, property):
            waiting += [value.fget, value.fset]
        elif is_a(value, (staticmethod, classmethod)):
            waiting.append(value.__func__)
        elif is_a(value, (cached_property, partialmethod)):
            waiting.append(value.func)


def _is_set(cell: Any) -> bool:
    try:
        return is_a(cell.cell_contents, FunctionType)
    except ValueError:  # the function was not run to its end
        return False


def _names_of_code(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant  # getattr(self, "name")
            if not _BY_NAME.isdisjoint(code.co_names) and _PART_OF_NAME.fullmatch(constant):
                yield _PIECE + constant
        elif isinstance(constant, CodeType):
            yield from _names_of_code(constant)


def _reached(start: str, names: Mapping[str, frozenset[str]]) -> set[str]:
    """The methods that one calls, directly or indirectly, itself included."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in names and name not in found:
            found.add(name)
            waiting += names[name]
    return found
