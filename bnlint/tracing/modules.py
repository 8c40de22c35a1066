"""Names for the modules of one model: where each is registered, or how it is held if it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.loading.sites import site_of


@dataclass(frozen=True, slots=True)
class Stray:
    """A module that is called without being registered: a name for it, how it is held.

    ``grad`` says whether gradients were on when it was first called.
    """

    path: str
    held: str
    module: nn.Module
    grad: bool = True


@dataclass(slots=True)
class Registry:
    """Paths of the registered modules of ``root``, and of the others met while tracing."""

    root: nn.Module
    prefix: str = ""
    paths: dict[int, str] = field(default_factory=dict)
    aliases: dict[int, tuple[str, ...]] = field(default_factory=dict)
    strays: dict[int, Stray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path, module in self.root.named_modules(remove_duplicate=False):
            key, full = id(module), _join(self.prefix, path)
            if key in self.paths:
                self.aliases[key] = (*self.aliases.get(key, ()), full)
            else:
                self.paths[key] = full

    def path(self, module: nn.Module) -> str:
        """The registered path of a module, or a name for one that is not registered."""
        found = self.paths.get(id(module))
        return found if found is not None else self._stray(module).path

    def held(self, module: nn.Module) -> str:
        """Empty for a registered module; else how it is held: list, model, global or forward."""
        return "" if id(module) in self.paths else self._stray(module).held

    def outermost_strays(self) -> list[Stray]:
        """The strays that are no part of another one, in the order of their first call."""
        inner = {id(m) for s in self.strays.values() for m in s.module.modules() if m != s.module}
        return [stray for key, stray in self.strays.items() if key not in inner]

    def _stray(self, module: nn.Module) -> Stray:
        key = id(module)
        if key not in self.strays:
            path, held = self._look_for(module)
            self.strays[key] = Stray(path, held, module, torch.is_grad_enabled())
        return self.strays[key]

    def _look_for(self, module: nn.Module) -> tuple[str, str]:
        for owner, parent in self.root.named_modules():
            for name, inner in plainly_held(parent):
                if inner is module:
                    return _join(self.prefix, _join(owner, name)), "list"
                for below, part in inner.named_modules():
                    if part is module:
                        return _join(self.prefix, _join(owner, f"{name}.{below}")), "list"
        site = site_of(module)
        number = len(self.strays)
        kind = "forward" if site is not None and site.late else "global"
        return f"<{type(module).__name__} {number}>", kind


def states_of(model: nn.Module) -> Iterator[torch.Tensor]:
    """All parameters and buffers of a model; one that layers share comes once for each."""
    for module in model.modules():
        for state in (*module._parameters.values(), *module._buffers.values()):
            if state is not None:
                yield state


_HOLDERS = (nn.Module, list, tuple, dict)
_TORCHS = frozenset(vars(nn.Module()))
"""What every module keeps for itself: parameters, submodules, hooks."""


def plainly_held(parent: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that plain attributes of ``parent`` hold: in lists, tuples, dicts."""
    held = vars(parent)
    own = held.keys() - _TORCHS
    for name in held if any(isinstance(held[name], _HOLDERS) for name in own) else ():
        if name in own:
            for key, inner in _items(held[name]):
                yield f"{name}{key}", inner


def _items(value: Any) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(value, nn.Module):
        yield "", value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            for key, inner in _items(item):
                yield f"[{i}]{key}", inner
    elif isinstance(value, dict):
        for i, item in value.items():
            for key, inner in _items(item):
                yield f"[{i!r}]{key}", inner


def _join(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if prefix and path else prefix or path
