"""The modules that a model holds, in its state: no code of the user's answers for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import is_a

_METHODS = frozenset(n for n, v in vars(nn.Module).items() if callable(v) and not n.startswith("_"))
_KEPT = ("_modules", "_parameters", "_buffers")


def held_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Each module of a model once, with its path; the model itself is first, without one."""
    seen: set[int] = set()
    todo = [("", model)]
    while todo:
        path, module = todo.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield path, module
        inner: Any = _state(module).get("_modules")
        if is_a(inner, dict):
            above = f"{path}." if path else ""
            todo += [(f"{above}{n}", m) for n, m in dict.items(inner) if is_a(m, nn.Module)][::-1]


def not_set_up(model: nn.Module) -> str:
    """Which module ``nn.Module`` has not set up, and why; empty if torch can use all of them."""
    for path, module in held_modules(model):
        if is_a(module, torch.jit.ScriptModule):  # which keeps all of it elsewhere
            continue
        state, cls = _state(module), type(module).__name__
        name = f"`{path}` ({cls})" if path else cls
        if any(kept not in state for kept in _KEPT):
            return f"{name} is not set up: its __init__ does not call super().__init__()"
        held: list[Any] = [state[kept] for kept in _KEPT]
        if any(each is None or (is_a(each, dict) and not _are_names(each)) for each in held):
            return f"{name} is not set up: its {', '.join(_KEPT)} are not all dicts by name"
    return ""


def uncover_methods(model: nn.Module) -> None:
    """Let lists and the like that hide a method of ``nn.Module`` be called as it, too.

    ``self.modules = [...]`` does no harm where a model runs, but bnlint asks for all modules.
    """
    for _, module in held_modules(model):
        state = _state(module)
        for name in _METHODS & state.keys():
            if type(state[name]) in (list, tuple, dict, str, int, float):
                method = getattr(nn.Module, name).__get__(module)
                state[name] = _with_call(state[name], method)


def _with_call(value: Any, method: Callable[..., Any]) -> Any:
    kind: Any = type(value)
    called = {"__call__": lambda _, *args, **kwargs: method(*args, **kwargs)}
    return type(kind.__name__, (kind,), called)(value)


def _state(module: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return found


def _are_names(held: dict[Any, Any]) -> bool:
    return all(is_a(name, str) for name in dict.keys(held))
