"""Every module of a model as plain data, called or not, and whether the code mentions it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from types import CodeType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import ModuleInfo
from bnlint.layers.of_modules import Facts, Layers, trainable
from bnlint.layers.table import containers
from bnlint.loading.sites import Locator, site_of
from bnlint.tracing.tracers import Record

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

    Also those that were called without being registered; their facts include what holds them.
    """
    describe = partial(_describe, layers=layers, locator=locator)
    by_path = dict(root.named_modules(remove_duplicate=False))
    paths: dict[int, list[str]] = {}
    for path, module in by_path.items():
        paths.setdefault(id(module), []).append(path)
    found, reads = [], record.reads
    for key, (first, *others) in paths.items():
        module = by_path[first]
        states = (*module._parameters.keys(), *module._buffers.keys())
        info = describe(
            module,
            first,
            {"mentioned": is_mentioned(first, by_path)} if first else {},
            aliases=tuple(others),
            parameters=size_of(module._parameters.values()),
            calls=None if calls is None else calls.get(key, 0),
            eval_calls=None if eval_calls is None else eval_calls.get(key, 0),
            reads=bool(reads) and any(f"{p}.{n}" in reads for p in paths[key] for n in states),
        )
        found.append(info)
    return (*found, *_describe_strays(root, describe, record))


def size_of(parameters: Iterable[nn.Parameter | None]) -> int:
    """The number of elements of all parameters; lazy ones do not count."""
    return sum(p.numel() for p in parameters if p is not None and not is_lazy(p))


def _describe(
    module: nn.Module, path: str, facts: Facts, *, layers: Layers, locator: Locator, **seen: Any
) -> ModuleInfo:
    """A module with what it says about itself, and with what was ``seen`` of it."""
    kind, site = layers.table.of_module(module), site_of(module)
    own: Facts = {"class": type(module).__name__, "trainable": trainable(module)}
    if site and (library := locator.library(site.frames)):
        own["library"] = library
    return ModuleInfo(
        path,
        kind.name if kind else "other",
        kind.tags if kind else frozenset(),
        layers.names(module),
        {**own, **(layers.facts(module, kind) if kind else {}), **facts},
        leaf=kind is not None,
        construction=locator.locate(site.frames) if site else None,
        **seen,
    )


def _describe_strays(
    root: nn.Module, describe: Callable[..., ModuleInfo], record: Record
) -> Iterator[ModuleInfo]:
    """The modules that are not registered, without what they hold of the model's own."""
    own = frozenset(map(id, (*root.parameters(), *root.buffers()))) if record.strays else ()
    for stray in record.strays:
        parameters = [p for p in stray.module.parameters() if id(p) not in own]
        buffers = [b for b in stray.module.buffers() if id(b) not in own]
        facts: Facts = {
            "registered": False,
            "held": stray.held,
            "grad": stray.grad,
            "states": len(parameters) + len(buffers),
            "trainable": any(p.requires_grad for p in parameters),
        }
        calls = record.called.get(id(stray.module), 0)
        size = size_of(parameters)
        yield describe(stray.module, stray.path, facts, parameters=size, calls=calls)


def is_mentioned(path: str, modules: Mapping[str, nn.Module]) -> bool:
    """True if a method of the class that holds the module at ``path`` names its attribute.

    A layer that is used for other inputs, other flags or by another method than ``forward`` is
    named somewhere besides the constructor. A layer in a container goes by the container's name.
    """
    owner, _, name = path.rpartition(".")
    while owner and isinstance(modules[owner], containers()):
        owner, _, name = owner.rpartition(".")
    holder = modules[owner]
    kind: Any = type(holder)
    return isinstance(holder, containers()) or name in spoken_names(kind)


@lru_cache(maxsize=4096)
def spoken_names(cls: type) -> frozenset[str]:
    """The names in the methods of a class, except methods that only its constructor calls."""
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
    """The methods that one calls, directly or indirectly, itself included."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in names and name not in found:
            found.add(name)
            waiting += names[name]
    return found
