"""Every module of a model as plain data, called or not, and whether the code mentions it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import ModuleInfo
from bnlint.layers.of_modules import Facts, Layers, attribute, trainable
from bnlint.loading.sites import Locator, site_of
from bnlint.tracing.describing.mentions import is_mentioned, is_optional
from bnlint.tracing.tracers import Record


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
            _of_source(first, by_path) if first else {},
            aliases=tuple(others),
            parameters=size_of(module._parameters.values()),
            calls=None if calls is None else calls.get(key, 0),
            eval_calls=None if eval_calls is None else eval_calls.get(key, 0),
            reads=bool(reads) and any(f"{p}.{n}" in reads for p in paths[key] for n in states),
        )
        found.append(info)
    return (*found, *_describe_strays(root, describe, record))


def _of_source(path: str, modules: Mapping[str, nn.Module]) -> Facts:
    """What the source of the classes around a module says about its use."""
    mentioned = is_mentioned(path, modules)
    return {"mentioned": mentioned, "optional": mentioned and is_optional(path, modules)}


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


def _learns(module: nn.Module, parameters: Sequence[nn.Parameter]) -> bool:
    """True if a parameter takes gradients, or the norm would make some of a size not yet known."""
    unmade = not parameters and attribute(module, "affine") is True
    return unmade or any(p.requires_grad for p in parameters)


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
            "trainable": _learns(stray.module, parameters),
        }
        calls = record.called.get(id(stray.module), 0)
        size = size_of(parameters)
        yield describe(stray.module, stray.path, facts, parameters=size, calls=calls)
