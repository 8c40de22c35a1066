"""Whether the code of a model ever speaks of a layer, apart from building and initialising it.

A layer that was not called may be one for other inputs or other flags, or for another method than
``forward``. Then the class that holds it says its name somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

from torch import nn

from bnlint.layers.table import containers

BUILDER = "__init__"


def is_mentioned(path: str, modules: Mapping[str, nn.Module]) -> bool:
    """True when the class that holds the module at ``path`` names its attribute in some method.

    What stands in a list or a sequence goes by the name of that. ``modules`` are all by path.
    """
    owner, _, name = path.rpartition(".")
    while owner and isinstance(modules[owner], containers()):
        owner, _, name = owner.rpartition(".")
    holder = modules[owner]
    kind: Any = type(holder)
    return isinstance(holder, containers()) or name in spoken_names(kind)


@lru_cache(maxsize=4096)
def spoken_names(cls: type) -> frozenset[str]:
    """The names in the methods of a class, without those that only its constructor leads to."""
    names = {name: frozenset(_names(value)) for name, value in _methods(cls)}
    built = _reached(BUILDER, names) - _reached("forward", names) | {BUILDER}
    return frozenset().union(*(found for name, found in names.items() if name not in built))


def _methods(cls: type) -> Iterator[tuple[str, Any]]:
    seen = set()
    for base in cls.__mro__:
        if base.__module__.startswith("torch.") or base is object:
            continue
        for name, value in vars(base).items():
            if name not in seen:
                seen.add(name)
                yield name, value


def _names(value: Any) -> Iterator[str]:
    value = getattr(value, "fget", None) or getattr(value, "__func__", value)
    value = getattr(value, "__wrapped__", value)
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        yield from _names_of_code(code)


def _names_of_code(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant  # getattr(self, "name")
        elif isinstance(constant, CodeType):
            yield from _names_of_code(constant)


def _reached(start: str, names: Mapping[str, frozenset[str]]) -> set[str]:
    """The methods that are reached from one, itself included."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in names and name not in found:
            found.add(name)
            waiting += names[name]
    return found
