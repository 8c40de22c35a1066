"""Names of the modules of a model: the registered path, or else what holds the module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import is_a, stored, written
from bnlint.loading.sites import site_of
from bnlint.models.held_modules import not_set_up


@dataclass(frozen=True, slots=True)
class Stray:
    """A module that is called but not registered, with a name and what holds it.

    ``grad`` is true if gradients were enabled at its first call.
    """

    path: str
    held: str
    module: nn.Module
    grad: bool = True


@dataclass(slots=True)
class Registry:
    """The names of modules: registered paths below ``root``, and numbers for all others.

    An unregistered module is numbered at its first call; only its name takes a search.
    """

    root: nn.Module
    prefix: str = ""
    paths: dict[int, str] = field(default_factory=dict)
    modules: list[nn.Module] = field(default_factory=list)
    _met: dict[int, tuple[int, nn.Module, bool]] = field(default_factory=dict)
    _strays: dict[int, Stray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path, module in self.root.named_modules(remove_duplicate=False):
            key, full = id(module), _join(self.prefix, path)
            if key not in self.paths:
                self.paths[key] = full
                self.modules.append(module)

    def path(self, module: nn.Module) -> str:
        """The path of a registered module, or a name for another one."""
        found = self.paths.get(id(module))
        return found if found is not None else self._stray(module).path

    def states(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Parameters, then buffers, by their first names below ``root``; shared ones once."""
        prefix = f"{self.prefix}." if self.prefix else ""
        below = [(self.paths[id(m)].removeprefix(prefix), m) for m in self.modules]
        below[:1] = [("", self.root)]
        seen: set[int] = set()
        for kind in ("_parameters", "_buffers"):
            for path, module in below:
                for name, state in getattr(module, kind).items():
                    if state is not None and id(state) not in seen:
                        seen.add(id(state))
                        yield _join(path, name), state

    def held(self, module: nn.Module) -> str:
        """Empty for a registered module, else what holds it: list, global or forward."""
        return "" if id(module) in self.paths else self._stray(module).held

    def meet(self, module: nn.Module) -> None:
        """Number a module that is called, unless it is registered."""
        if id(module) not in self.paths and id(module) not in self._met:
            self._met[id(module)] = len(self._met), module, torch.is_grad_enabled()

    def forget_strays(self) -> None:
        """Restart the numbers of unregistered modules, since each forward counts its own."""
        self._met.clear()
        self._strays.clear()

    def outermost_strays(self) -> list[Stray]:
        """The strays that are not part of another one, in the order of their first calls."""
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
    """The path of ``module`` below ``holder``, empty for itself; None if it is not part of it."""
    return next((path for path, part in holder.named_modules() if part is module), None)


def states_of(model: nn.Module) -> Iterator[torch.Tensor]:
    """All parameters and buffers of a model; shared ones are repeated."""
    for module in model.modules():
        yield from own_states(module)


def parameters_by_id(modules: Iterable[nn.Module]) -> dict[int, nn.Parameter]:
    """The parameters of these modules, without those of submodules, by identity."""
    own = (p for module in modules for p in module._parameters.values())
    return {id(p): p for p in own if p is not None}


def own_states(module: nn.Module) -> list[torch.Tensor]:
    """The parameters and buffers of a module, without those of submodules."""
    states = (*module._parameters.values(), *module._buffers.values())
    return [state for state in states if state is not None]


_HOLDERS = (nn.Module, list, tuple, dict)
_DEEPEST = 20
"""Containers in each other that are looked into."""

_TORCHS = frozenset(vars(nn.Module()))
"""The attributes that every module has: parameters, submodules, hooks."""


def plainly_held(parent: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules in plain attributes of ``parent``: lists, tuples and dicts, with their keys."""
    for name, value in vars(parent).items():
        if name not in _TORCHS and is_a(value, _HOLDERS) and not _is_size(value):
            for key, inner in _items(value, ()):
                if not not_set_up(inner):
                    yield f"{name}{key}", inner


def _is_size(value: Any) -> bool:
    """True for a tuple of numbers; a convolution has many, and none holds a module."""
    return type(value) is tuple and set(map(type, value)) == {int}


def _items(value: Any, within: tuple[int, ...]) -> Iterator[tuple[str, nn.Module]]:
    """The modules in a value; ``within`` are the containers around it, which it may hold again."""
    if is_a(value, nn.Module):
        yield "", value
        return
    entries: Iterable[tuple[Any, Any]] = ()
    if id(value) in within or len(within) > _DEEPEST:
        return
    if is_a(value, (list, tuple)):
        entries = enumerate(stored(value))
    elif is_a(value, dict):
        entries = dict.items(value)
    for i, item in entries:
        for key, inner in _items(item, (*within, id(value))):
            yield f"[{written(i)}]{key}", inner


def _join(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if prefix and path else prefix or path
