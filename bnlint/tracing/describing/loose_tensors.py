"""Tensors that want a gradient, but are no parameters of the model: the optimizer misses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Value
from bnlint.domain.objects import is_a, written
from bnlint.layers.calls import Call, State

_REGISTERED = frozenset({"_parameters", "_buffers", "_modules"})
_STEPS = 200
"""Operations that are looked at behind a tensor, which is rarely made by more than a few."""


def names_of_loose(model: nn.Module, traced: nn.Module) -> dict[int, str]:
    """The names of such tensors that modules keep, by their identity in the copy that is traced.

    What was computed of the model's own parameters is no tensor of its own: a state that a module
    keeps from one call to the next.
    """
    own = set(map(id, (*model.parameters(), *model.buffers())))
    with torch._C.DisableTorchFunction():  # a tensor of a class of the user's answers for itself
        names = {
            name
            for name, tensor in _kept_in(model)
            if tensor.requires_grad and id(tensor) not in own and not _comes_from(tensor, own)
        }
    return {id(tensor): name for name, tensor in _kept_in(traced) if name in names}


def made_of_loose(
    calls: Iterable[Call], sources: Mapping[str, str], names: Mapping[int, str]
) -> dict[str, str]:
    """The name of such a tensor by the id of each call that reads it and no data: a slice of it."""
    found: dict[str, str] = {}
    for call in calls if names else ():
        if call.id not in sources and (name := _loose_in(call, names, found)):
            found[call.id] = name
    return found


def loose_facts(call: Call, names: Mapping[int, str], made: Mapping[str, str]) -> dict[str, Value]:
    """The fact that a call reads such a tensor, or what was ``made`` of one."""
    name = _loose_in(call, names, made) if names else ""
    return {"unregistered": name} if name else {}


def _loose_in(call: Call, names: Mapping[int, str], made: Mapping[str, str]) -> str:
    states = (a for a in (*call.args, *call.kwargs.values()) if isinstance(a, State))
    read = (t for s in states for t in (s.tensor, getattr(s.tensor, "_base", None)))
    direct = next((names[id(tensor)] for tensor in read if id(tensor) in names), "")
    return direct or next((made[ref.id] for ref in call.refs() if ref.id in made), "")


def _kept_in(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for path, module in model.named_modules():
        yield from ((f"{path}.{name}" if path else name, tensor) for name, tensor in _kept(module))


def _kept(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in attributes of a module, and in its plain lists and dicts."""
    for name, value in vars(module).items():
        if name not in _REGISTERED:
            yield from _within(name, value)


def _within(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if is_a(value, torch.Tensor):
        yield name, value
    elif type(value) in (list, tuple):
        yield from ((f"{name}[{n}]", v) for n, v in enumerate(value) if is_a(v, torch.Tensor))
    elif type(value) is dict:
        yield from ((f"{name}[{written(k)}]", v) for k, v in value.items() if is_a(v, torch.Tensor))


def _comes_from(tensor: torch.Tensor, own: set[int]) -> bool:
    """True if a parameter of the model takes part in it, or too much does to tell."""
    todo, seen = [tensor.grad_fn], set[Any]()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if id(getattr(node, "variable", None)) in own or len(seen) > _STEPS:
            return True
        todo += [behind for behind, _ in node.next_functions]
    return False
