"""Names for the modules of a model: where each is registered, or how it is held if it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.loading.sites import site_of


@dataclass(frozen=True, slots=True)
class Stray:
    """A module that is called without being registered: a name for it, and how it is held.

    ``grad`` is true if gradients were on when it was first called.
    """

    path: str
    held: str
    module: nn.Module
    grad: bool = True


@dataclass(slots=True)
class Registry:
    """Names for the modules of ``root``: registered paths, and strays in the order of their calls.

    A stray is numbered when it is first met, but looked for only when its name is asked for.
    """

    root: nn.Module
    prefix: str = ""
    paths: dict[int, str] = field(default_factory=dict)
    aliases: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _met: dict[int, tuple[int, nn.Module, bool]] = field(default_factory=dict)
    _strays: dict[int, Stray] = field(default_factory=dict)

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

    def meet(self, module: nn.Module) -> None:
        """Notes that a module is called, which numbers it if it is not registered."""
        if id(module) not in self.paths and id(module) not in self._met:
            self._met[id(module)] = len(self._met), module, torch.is_grad_enabled()

    def forget_strays(self) -> None:
        """Starts over with the numbers of unregistered modules: each forward counts its own."""
        self._met.clear()
        self._strays.clear()

    def outermost_strays(self) -> list[Stray]:
        """The strays that are no part of another one, in the order of their first call."""
        strays = {key: self._stray(module) for key, (_, module, _) in list(self._met.items())}
        inner = {id(m) for s in strays.values() for m in s.module.modules() if m != s.module}
        return [stray for key, stray in strays.items() if key not in inner]

    def _stray(self, module: nn.Module) -> Stray:
        key = id(module)
        self.meet(module)
        if key not in self._strays:
            number, _, grad = self._met[key]
            path, held = self._look_for(module, number)
            self._strays[key] = Stray(path, held, module, grad)
        return self._strays[key]

    def _look_for(self, module: nn.Module, number: int) -> tuple[str, str]:
        for owner, parent in self.root.named_modules():
            for name, inner in plainly_held(parent):
                below = path_within(inner, module)
                if below is not None:
                    held = f"{name}.{below}" if inner is not module else name
                    return _join(self.prefix, _join(owner, held)), "list"
        site = site_of(module)
        kind = "forward" if site is not None and site.late else "global"
        return f"<{type(module).__name__} {number}>", kind


def path_within(holder: nn.Module, module: nn.Module) -> str | None:
    """The path of ``module`` below ``holder``, empty for itself; None where it is no part of it."""
    return next((path for path, part in holder.named_modules() if part is module), None)


def states_of(model: nn.Module) -> Iterator[torch.Tensor]:
    """All parameters and buffers of a model; shared ones are repeated for each layer."""
    for module in model.modules():
        for state in (*module._parameters.values(), *module._buffers.values()):
            if state is not None:
                yield state


_HOLDERS = (nn.Module, list, tuple, dict)
_TORCHS = frozenset(vars(nn.Module()))
"""The attributes that every module has: parameters, submodules, hooks."""


def plainly_held(parent: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules in plain attributes of ``parent``: lists, tuples and dicts, with their keys."""
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
