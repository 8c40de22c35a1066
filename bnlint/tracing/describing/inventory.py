"""Every module of a model, called or not, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import ModuleInfo, Value
from bnlint.layers.of_modules import Layers, trainable
from bnlint.layers.table import Kind
from bnlint.loading.sites import Locator, site_of
from bnlint.tracing.describing.mentions import is_mentioned
from bnlint.tracing.forward.registry import Stray
from bnlint.tracing.record import Record


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
    reads = record.reads
    paths: dict[int, list[str]] = {}
    modules: dict[int, nn.Module] = {}
    for path, module in root.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), []).append(path)
        modules[id(module)] = module
    by_path = {path: modules[key] for key, own_paths in paths.items() for path in own_paths}
    found = []
    for key, module in modules.items():
        kind = layers.table.of_module(module)
        site = site_of(module)
        first, *others = paths[key]
        found.append(
            ModuleInfo(
                first,
                kind.name if kind else "other",
                kind.tags if kind else frozenset(),
                layers.names(module),
                _module_info_facts(module, kind, layers)
                | ({"mentioned": is_mentioned(first, by_path)} if first else {}),
                tuple(others),
                sum(
                    p.numel()
                    for p in module._parameters.values()
                    if p is not None and not is_lazy(p)
                ),
                None if calls is None else calls.get(key, 0),
                None if eval_calls is None else eval_calls.get(key, 0),
                any(f"{p}.{n}" in reads for p in paths[key] for n in _own_state(module)),
                kind is not None,
                locator.locate(site.frames) if site else None,
            )
        )
    if not record.strays:
        return tuple(found)
    own = frozenset(map(id, (*root.parameters(), *root.buffers())))
    return (*found, *(_describe_stray(s, layers, locator, record, own) for s in record.strays))


def _module_info_facts(module: nn.Module, kind: Kind | None, layers: Layers) -> dict[str, Value]:
    """What a module says about itself."""
    facts: dict[str, Value] = {"class": type(module).__name__, "trainable": trainable(module)}
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
        parameters=sum(p.numel() for p in parameters if not is_lazy(p)),
        calls=record.called.get(id(module), 0),
        leaf=kind is not None,
        construction=locator.locate(site.frames) if site else None,
    )


def _own_state(module: nn.Module) -> Iterator[str]:
    yield from module._parameters
    yield from module._buffers
