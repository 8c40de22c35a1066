"""The model as it is traced: a copy without numbers, in train mode, lazy layers uninitialized."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from bnlint.tracing.forward.registry import plainly_held, states_of

T = TypeVar("T")


def on_meta(model: nn.Module) -> nn.Module:
    """A copy of the model without its numbers; the model itself where it holds none."""
    held = [m for parent in model.modules() for _, m in plainly_held(parent)]
    states = [s for m in (model, *held) for s in states_of(m)]
    if all(s.is_meta for s in states):
        return model
    memo: dict[int, Any] = {id(s): _bare(s) for s in states}
    try:
        return copy.deepcopy(model, memo)
    except Exception:  # what can't be copied (locks, generators) is traced as it is
        return model


def _bare(state: torch.Tensor) -> torch.Tensor:
    if is_lazy(state):
        return without_numbers(state)
    bare: torch.Tensor = torch.empty_like(state, device="meta")
    if isinstance(state, nn.Parameter):
        return nn.Parameter(bare, requires_grad=state.requires_grad)
    return bare


@contextlib.contextmanager
def in_training(model: nn.Module) -> Iterator[None]:
    """Train mode inside the block; it may be the user's own model, if that is on meta."""
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def without_numbers(state: torch.Tensor) -> torch.Tensor:
    """A lazy parameter or buffer like ``state``, on meta; a lazy buffer can't be deep-copied."""
    kind: Any = type(state)
    lazy: torch.Tensor = kind(state.requires_grad, device="meta", dtype=state.dtype)
    return lazy


@dataclass(frozen=True, slots=True)
class _Uninitialized:
    """A lazy layer as it was before its first call."""

    module: nn.Module
    cls: type[nn.Module]
    fields: dict[str, Any]

    def restore(self) -> None:
        self.module.__class__ = self.cls
        known = vars(self.module)
        for name, value in self.fields.items():
            if isinstance(value, dict):  # the same dict: handles of hooks keep a reference to it
                known[name].clear()
                known[name].update({key: _renewed(state) for key, state in value.items()})
            else:
                known[name] = value


def _renewed(state: Any) -> Any:
    return without_numbers(state) if is_lazy(state) else state


class Lazies:
    """The lazy layers of a model that no call has initialized yet.

    One guessed input must not fix their channels for the next one.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers = [
            _Uninitialized(module, type(module), {k: _kept(v) for k, v in vars(module).items()})
            for module in model.modules()
            if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params()
        ]

    def restore(self) -> None:
        """Undo what calls since then have fixed."""
        for layer in self._layers:
            layer.restore()

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each with the layers uninitialized again."""
        for item in items:
            self.restore()
            yield item


def _kept(value: Any) -> Any:
    return {k: _renewed(v) for k, v in value.items()} if isinstance(value, dict) else value
