"""Every module of a model, called or not, as plain data; whether its code ever mentions it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import ModuleInfo
from bnlint.layers.of_modules import Facts, Layers, trainable
from bnlint.layers.table import Kind, containers
from bnlint.loading.sites import Locator, site_of
from bnlint.tracing.forward.registry import Stray
from bnlint.tracing.record import Record

_BUILDER = "__init__"


def describe_modules(
    root: nn.Module,
    layers: Layers,
    locator: Locator,
    calls: Mapping[int, int] | None,
    eval_calls: Mapping[int, int] | None,
    record: Record,
) -> tuple[ModuleInfo, ...]:
    """Every registered module once, with the paths it is registered at and its calls.

    Also those that were called without being registered; their facts say how they are held.
    """
    by_path = dict(root.named_modules(remove_duplicate=False))
    paths: dict[int, list[str]] = {}
    for path, module in by_path.items():
        paths.setdefault(id(module), []).append(path)
    found = []
    for key, (first, *others) in paths.items():
        module = by_path[first]
        kind, site = layers.table.of_module(module), site_of(module)
        mentioned: Facts = {"mentioned": is_mentioned(first, by_path)} if first else {}
        states = (*module._parameters, *module._buffers)
        found.append(
            ModuleInfo(
                first,
                kind.name if kind else "other",
                kind.tags if kind else frozenset(),
                layers.names(module),
                _module_info_facts(module, kind, layers) | mentioned,
                tuple(others),
                _size(module._parameters.values()),
                None if calls is None else calls.get(key, 0),
                None if eval_calls is None else eval_calls.get(key, 0),
                any(f"{p}.{n}" in record.reads for p in paths[key] for n in states),
                kind is not None,
                locator.locate(site.frames) if site else None,
            )
        )
    return (*found, *_describe_strays(root, layers, locator, record))


def _size(parameters: Iterable[nn.Parameter | None]) -> int:
    return sum(p.numel() for p in parameters if p is not None and not is_lazy(p))


def _describe_strays(
    root: nn.Module, layers: Layers, locator: Locator, record: Record
) -> Iterator[ModuleInfo]:
    if record.strays:
        own = frozenset(map(id, (*root.parameters(), *root.buffers())))
        for stray in record.strays:
            yield _describe_stray(stray, layers, locator, record, own)


def _module_info_facts(module: nn.Module, kind: Kind | None, layers: Layers) -> Facts:
    """What a module says about itself."""
    facts: Facts = {"class": type(module).__name__, "trainable": trainable(module)}
    return facts | (layers.facts(module, kind) if kind else {})


def _describe_stray(
    stray: Stray, layers: Layers, locator: Locator, record: Record, registered: frozenset[int]
) -> ModuleInfo:
    """A module that is not registered; what it holds of the model's own is not counted."""
    module = stray.module
    parameters = [p for p in module.parameters() if id(p) not in registered]
    buffers = [b for b in module.buffers() if id(b) not in registered]
    kind, site = layers.table.of_module(module), site_of(module)
    return ModuleInfo(
        stray.path,
        kind.name if kind else "other",
        kind.tags if kind else frozenset(),
        layers.names(module),
        _module_info_facts(module, kind, layers)
        | {"registered": False, "held": stray.held, "grad": stray.grad}
        | {"states": len(parameters) + len(buffers)}
        | {"trainable": any(p.requires_grad for p in parameters)},
        parameters=_size(parameters),
        calls=record.called.get(id(module), 0),
        leaf=kind is not None,
        construction=locator.locate(site.frames) if site else None,
    )


def is_mentioned(path: str, modules: Mapping[str, nn.Module]) -> bool:
    """True when the class that holds the module at ``path`` names its attribute in some method.

    A layer that may be for other inputs, other flags or another method than ``forward`` is named
    somewhere, apart from where it is built. What is in a container goes by the name of that.
    """
    owner, _, name = path.rpartition(".")
    while owner and isinstance(modules[owner], containers()):
        owner, _, name = owner.rpartition(".")
    holder = modules[owner]
    kind: Any = type(holder)
    return isinstance(holder, containers()) or name in spoken_names(kind)


@lru_cache(maxsize=4096)
def spoken_names(cls: type) -> frozenset[str]:
    """The names in the methods of a class, without those that only its constructor reaches."""
    names = {name: frozenset(_names(value)) for name, value in _methods(cls)}
    built = _reached(_BUILDER, names) - _reached("forward", names) | {_BUILDER}
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
