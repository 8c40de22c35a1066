"""Lazy layers put back to sleep: one made-up input must not fix the channels for the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

T = TypeVar("T")


def without_numbers(state: torch.Tensor) -> torch.Tensor:
    """A lazy parameter or buffer like ``state``, on meta; a lazy buffer knows no deepcopy."""
    kind: Any = type(state)
    lazy: torch.Tensor = kind(state.requires_grad, device="meta", dtype=state.dtype)
    return lazy


@dataclass(frozen=True, slots=True)
class _Asleep:
    """A lazy layer as it was before its first call."""

    module: nn.Module
    cls: type[nn.Module]
    fields: dict[str, Any]

    def restore(self) -> None:
        self.module.__class__ = self.cls
        known = vars(self.module)
        for name, value in self.fields.items():
            if isinstance(value, dict):  # the same dict: handles of hooks hold on to it
                known[name].clear()
                known[name].update({key: _renewed(state) for key, state in value.items()})
            else:
                known[name] = value


def _renewed(state: Any) -> Any:
    return without_numbers(state) if is_lazy(state) else state


class Lazies:
    """The lazy layers of a model that no call has woken yet."""

    def __init__(self, model: nn.Module) -> None:
        self._asleep = [
            _Asleep(module, type(module), {k: _kept(v) for k, v in vars(module).items()})
            for module in model.modules()
            if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params()
        ]

    def restore(self) -> None:
        """Undo what calls since then have fixed."""
        for asleep in self._asleep:
            asleep.restore()

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each with the layers asleep again."""
        for item in items:
            self.restore()
            yield item


def _kept(value: Any) -> Any:
    return {k: _renewed(v) for k, v in value.items()} if isinstance(value, dict) else value
