"""Whether a model does more than set ``training`` when its mode is switched.

A class of the user's may override ``train`` or ``eval``: to swap layers, to fuse them, or only to
tell somebody. So what such a method can reach is compared before and after: the attributes of
all modules, what is in them, the classes, and the names of the file that the method is from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from bnlint.domain.objects import home_of
from bnlint.tracing.modes.reads_of_mode import sets_mode
from bnlint.tracing.tracers.outside import inside

_SWITCHES = ("train", "eval")


class Switched:
    """What a model holds beside its mode, as it was when this was made.

    Of a model that leaves switching to torch nothing is kept, since nothing else changes.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._before = [*_held(model)] if overrides_switch(model) else None

    def is_more(self) -> bool:
        """True if anything else than the mode has changed since."""
        if self._before is None:
            return False
        now = [*_held(self._model)]
        if len(now) != len(self._before):
            return True
        return any(one is not other for one, other in zip(now, self._before, strict=True))


def overrides_switch(model: nn.Module) -> bool:
    """True if a class of the user's decides what ``train()`` or ``eval()`` does."""
    kinds: set[Any] = {type(module) for module in model.modules()}
    return any(map(sets_mode, kinds))


def _held(model: nn.Module) -> Iterator[Any]:
    """All that a switch may change, in an order that does not change by itself."""
    modules = [*model.modules()]
    seen: dict[int, int] = {}
    for module in modules:
        for name, value in vars(module).items():
            if name != "training":
                yield name
                yield from inside(value, seen=seen)
                yield from value.values() if isinstance(value, dict) else ()
    for cls in dict.fromkeys(base for m in modules for base in type(m).__mro__):
        if not home_of(cls).startswith("torch."):
            yield from vars(cls).values()
            yield from _globals(cls)


def _globals(cls: type) -> Iterator[Any]:
    for name in _SWITCHES:
        names = getattr(vars(cls).get(name), "__globals__", None)
        yield from list(names.values()) if type(names) is dict else ()
