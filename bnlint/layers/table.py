"""The table that says what every layer and function is: ``layers.yaml`` and the user's rows.

A new kind of layer is one row. Nothing in this room imports torch at its top: rules and settings
are checked without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bnlint.domain.errors import ConfigError
from bnlint.domain.objects import home_of
from bnlint.domain.phrases import closest

if TYPE_CHECKING:
    from torch import nn

BY_ARGUMENTS = frozenset(("depthwise", "fused", "lazy", "pointwise"))
"""Tags that depend on how a layer is built, and not on its class alone."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of operation and all its families."""

    name: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``layers.yaml``; ``traits`` are its columns of words."""

    families: tuple[str, ...]
    rank: int | None
    inactive: Mapping[str, Any]
    traits: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows by kind, and the kinds by the names of modules and of functions."""

    rows: Mapping[str, Row]
    modules: Mapping[str, tuple[tuple[str, str], ...]]
    functions: Mapping[str, str]
    anywhere: Mapping[str, str]
    _kinds: dict[str, Kind] = field(default_factory=dict, compare=False, repr=False)
    _by_type: WeakKeyDictionary[type, str] = field(
        default_factory=WeakKeyDictionary, compare=False, repr=False
    )

    def kind(self, name: str) -> Kind:
        """The kind called ``name`` with the transitive closure of its families."""
        known = self._kinds.get(name)
        if known is None:
            known = self._kinds[name] = Kind(name, _closure(name, self.rows))
        return known

    def of_module(self, module: nn.Module) -> Kind | None:
        """The kind of a module by its classes along the MRO; None for one to look inside."""
        cls = type(module)
        found = self._by_type.get(cls)
        if found is None:
            found = self._by_type[cls] = self._along_mro(cls)
        return self.kind(found) if found else self._by_structure(module)

    def _along_mro(self, cls: type) -> str:
        for base in cls.__mro__:
            for prefix, kind in self.modules.get(base.__name__, ()):
                if home_of(base) == prefix or home_of(base).startswith(prefix + "."):
                    return kind
        return ""

    def _by_structure(self, module: nn.Module) -> Kind | None:
        if module._modules:
            return None
        frozen = {"running_mean", "running_var", "weight"} <= set(module._buffers.keys())
        if frozen and not module._parameters:  # nothing of it is learned
            return self.kind("frozenbatchnorm")
        named = self.anywhere.get(type(module).__name__)
        return self.kind(named) if named else None

    def of_function(self, name: str, dotted: str = "") -> Kind | None:
        """The kind of a function or tensor method by its plain name, or by a dotted one."""
        found = self.functions.get(dotted) or self.functions.get(plain_name(name))
        return self.kind(found) if found else None

    def extended(self, rows: Iterable[tuple[str, str]]) -> Table:
        """This table with a user's rows ``(dotted name, kind)`` before its own.

        Raises
        ------
        ConfigError
            When a row names an unknown kind.

        """
        modules, functions = dict(self.modules), dict(self.functions)
        mistakes = []
        for dotted, kind in rows:
            if kind not in self.rows:
                said = f"layers: {dotted!r} has the unknown kind {kind!r}"
                mistakes.append("; ".join(filter(None, (said, closest(kind, self.rows, most=0)))))
            prefix, _, last = dotted.rpartition(".")
            modules[last] = ((prefix, kind), *modules.get(last, ()))
            functions[dotted] = kind
        if mistakes:
            raise ConfigError(*mistakes)
        return Table(self.rows, modules, functions, self.anywhere)


@lru_cache(maxsize=1)
def builtin_table() -> Table:
    """The table that ships with bnlint."""
    import yaml  # a run on unchanged files asks for no kind, and must not wait for this

    text = resources.files("bnlint.layers").joinpath("layers.yaml").read_text("utf-8")
    return read_table(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def read_table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """The table of rows that are written as in ``layers.yaml``."""
    modules: dict[str, tuple[tuple[str, str], ...]] = {}
    functions: dict[str, str] = {}
    anywhere: dict[str, str] = {}
    for kind, row in rows.items():
        for dotted in _words(row, "modules"):
            prefix, _, last = dotted.rpartition(".")
            modules[last] = (*modules.get(last, ()), (prefix, kind))
        functions |= dict.fromkeys(_words(row, "functions"), kind)
        functions |= {f"torch._ops.aten.{name}": kind for name in _words(row, "aten")}
        anywhere |= dict.fromkeys(_words(row, "anywhere"), kind)
    return Table({kind: _row(row) for kind, row in rows.items()}, modules, functions, anywhere)


_NAMING = ("is", "modules", "functions", "aten", "anywhere", "rank", "inactive")


def _row(row: Mapping[str, Any]) -> Row:
    traits = {column: _words(row, column) for column in row if column not in _NAMING}
    return Row(_words(row, "is"), row.get("rank"), row.get("inactive", {}), traits)


def _words(row: Mapping[str, Any], column: str) -> tuple[str, ...]:
    """The words of a column, which may hold one or a list."""
    value = row.get(column, ())
    return (value,) if isinstance(value, str) else tuple(value)


def kinds() -> frozenset[str]:
    """Every kind and family: what a user's layer can be."""
    return frozenset(builtin_table().rows)


def tags() -> frozenset[str]:
    """Every tag that a rule may name."""
    return kinds() | BY_ARGUMENTS


@lru_cache(maxsize=128)
def having(column: str, word: str) -> frozenset[str]:
    """The kinds and families whose row has ``word`` in ``column``, as ``keeps`` and ``channels``.

    An operation has the trait where one of its tags is among them.

    Raises
    ------
    KeyError
        When no row has the word: it is misspelled.

    """
    rows = builtin_table().rows.items()
    found = frozenset(kind for kind, row in rows if word in row.traits.get(column, ()))
    if not found:
        raise KeyError(f"{column}: {word}")
    return found


@lru_cache(maxsize=8)
def members(family: str) -> tuple[str, ...]:
    """The kinds that belong to this family alone, in the order of the table."""
    rows = builtin_table().rows.items()
    return tuple(kind for kind, row in rows if row.families == (family,))


def rank_of(tags: Iterable[str]) -> int | None:
    """The number of spatial axes of an operation with these tags; None where its kind has none."""
    return next((_ranks()[tag] for tag in tags if tag in _ranks()), None)


@lru_cache(maxsize=1)
def _ranks() -> Mapping[str, int]:
    return {kind: row.rank for kind, row in builtin_table().rows.items() if row.rank is not None}


def plain_name(name: str) -> str:
    """A function's name without operator and in-place marks (``__add__``, ``relu_``)."""
    return name.removeprefix("__").removesuffix("__").rstrip("_")


def dotted_names(module: nn.Module) -> tuple[str, ...]:
    """The dotted class names of a module along its MRO, up to ``torch.nn.Module``."""
    return tuple(f"{home_of(c)}.{c.__qualname__}" for c in type(module).__mro__ if c is not object)


def axes_of(module: nn.Module) -> int:
    """The 2 of the ``Conv2d`` that a layer is, whatever the user's subclass is called; else 0."""
    names = (c.__name__ for c in type(module).__mro__ if home_of(c).startswith("torch.nn."))
    return next((int(n[-2]) for n in names if n[-2:] in ("1d", "2d", "3d")), 0)


@lru_cache(maxsize=1)
def containers() -> tuple[type[nn.Module], ...]:
    """The classes of torch that hold layers and do nothing themselves."""
    from torch import nn

    lists = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
    return (*lists, nn.DataParallel)


def is_leaf(module: nn.Module, table: Table) -> bool:
    """True for modules that become one operation: classified, or torch's own but no container."""
    if table.of_module(module) is not None:
        return True
    if isinstance(module, containers()):
        return False
    return home_of(type(module)).startswith(("torch.nn.", "torch.ao.nn.", "torch.jit."))


def _closure(name: str, rows: Mapping[str, Row]) -> frozenset[str]:
    families = rows[name].families if name in rows else ()
    return frozenset({name}).union(*(_closure(family, rows) for family in families))
