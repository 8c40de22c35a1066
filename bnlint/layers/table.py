"""The table that says what every layer and function is (``layers.yaml`` and the user's rows)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any
from weakref import WeakKeyDictionary

import yaml
from torch import nn

from bnlint.domain.errors import ConfigError

CONTAINERS = (
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.ParameterList,
    nn.ParameterDict,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of operation and all its families."""

    name: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of ``layers.yaml``: kinds with their families, names of modules and of functions."""

    families: Mapping[str, tuple[str, ...]]
    modules: Mapping[str, tuple[tuple[str, str], ...]]
    functions: Mapping[str, str]
    anywhere: Mapping[str, str]
    _kinds: dict[str, Kind] = field(default_factory=dict, compare=False, repr=False)
    _by_type: WeakKeyDictionary[type, str] = field(
        default_factory=WeakKeyDictionary, compare=False, repr=False
    )

    def kind(self, name: str) -> Kind:
        """The kind called ``name`` with the transitive closure of its families."""
        if name not in self._kinds:
            self._kinds[name] = Kind(name, _closure(name, self.families))
        return self._kinds[name]

    def of_module(self, module: nn.Module) -> Kind | None:
        """The kind of a module by its classes along the MRO; None for one to look inside."""
        cls = type(module)
        if cls not in self._by_type:
            self._by_type[cls] = self._along_mro(cls)
        found = self._by_type[cls]
        return self.kind(found) if found else self._by_structure(module)

    def _along_mro(self, cls: type) -> str:
        for base in cls.__mro__:
            for prefix, kind in self.modules.get(base.__name__, ()):
                if base.__module__ == prefix or base.__module__.startswith(prefix + "."):
                    return kind
        return ""

    def _by_structure(self, module: nn.Module) -> Kind | None:
        if module._modules:
            return None
        if _is_frozen_norm(module):
            return self.kind("frozenbatchnorm")
        named = self.anywhere.get(type(module).__name__)
        return self.kind(named) if named else None

    def of_function(self, name: str, dotted: str = "") -> Kind | None:
        """The kind of a function or tensor method by its plain name, or a user's dotted one."""
        found = self.functions.get(dotted) or self.functions.get(plain_name(name))
        return self.kind(found) if found else None

    def extended(self, rows: Iterable[tuple[str, str]]) -> Table:
        """This table with a user's rows ``(dotted name, kind)`` before its own."""
        modules, functions = dict(self.modules), dict(self.functions)
        mistakes = []
        for dotted, kind in rows:
            if kind not in self.families:
                near = difflib.get_close_matches(kind, self.families, 1)
                mistakes.append(
                    f"layers: {dotted!r} has the unknown kind {kind!r}"
                    + (f"; did you mean {near[0]!r}?" if near else "")
                )
            prefix, _, last = dotted.rpartition(".")
            modules[last] = ((prefix, kind), *modules.get(last, ()))
            functions[dotted] = kind
        if mistakes:
            raise ConfigError(*mistakes)
        return Table(self.families, modules, functions, self.anywhere)


@lru_cache(maxsize=1)
def builtin_table() -> Table:
    """The table that ships with bnlint."""
    text = resources.files("bnlint.layers").joinpath("layers.yaml").read_text("utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows: dict[str, Any] = yaml.load(text, Loader=loader)
    modules: dict[str, tuple[tuple[str, str], ...]] = {}
    for dotted, kind in rows["modules"].items():
        prefix, _, last = dotted.rpartition(".")
        modules[last] = (*modules.get(last, ()), (prefix, kind))
    return Table(
        {name: tuple(parents) for name, parents in rows["kinds"].items()},
        modules,
        rows["functions"],
        rows["anywhere"],
    )


def plain_name(name: str) -> str:
    """A function's name without operator and in-place marks (``__add__``, ``relu_``)."""
    return name.removeprefix("__").removesuffix("__").rstrip("_")


def dotted_names(module: nn.Module) -> tuple[str, ...]:
    """The dotted class names of a module along its MRO, up to ``torch.nn.Module``."""
    return tuple(
        f"{c.__module__}.{c.__qualname__}" for c in type(module).__mro__ if c is not object
    )


def is_leaf(module: nn.Module, table: Table) -> bool:
    """True for modules that become one operation: classified, or torch's own but no container."""
    if table.of_module(module) is not None:
        return True
    if isinstance(module, CONTAINERS):
        return False
    return type(module).__module__.startswith(("torch.nn.", "torch.ao.nn.", "torch.jit."))


def _closure(name: str, families: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    found, waiting = {name}, [name]
    while waiting:
        for parent in families.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return frozenset(found)


def _is_frozen_norm(module: nn.Module) -> bool:
    """Statistics and scale kept as buffers and nothing to learn: a frozen batch norm."""
    buffers = module._buffers
    return not module._parameters and {"running_mean", "running_var", "weight"} <= buffers.keys()
