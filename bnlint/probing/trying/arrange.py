"""The same model with its norms elsewhere, without touching it: calls are rewritten as they run.

The live forward is intercepted rather than a traced graph edited: it needs no trace, so it works
for every model that runs, keeps the very same weights, and nothing has to be put back.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from bnlint.layers.of_calls import arguments_of
from bnlint.layers.table import Kind, Table, having
from bnlint.probing.observing.layout import Layouts
from bnlint.probing.observing.names import Names, function_name
from bnlint.probing.observing.readings import Key
from bnlint.tracing.nested import tensors

PLACEMENTS = ("none", "before", "after")
"""Where the norms of a variant stand: nowhere, before or after each activation a kernel feeds."""

CARRIES = having("within", "feeding")
"""Operations through which a kernel still counts as feeding what follows."""


class Rearranged(TorchFunctionMode):
    """While it is on, the model's own norms let everything through and others stand in.

    ``spared`` are activations that get no norm: outputs and gates. ``learned`` holds scale and
    shift of each norm that was put in.
    """

    def __init__(
        self, model: nn.Module, table: Table, placement: str, spared: Collection[Key], samples: int
    ) -> None:
        super().__init__()
        self.names = Names(model, table)
        self.placement = placement
        self.spared = frozenset(spared)
        self.samples = samples
        self.learned: dict[Key, tuple[nn.Parameter, nn.Parameter]] = {}
        self._layouts = Layouts()
        self._fed: dict[int, weakref.ref[Tensor]] = {}
        self._kinds: dict[Any, Kind | None] = {}

    def restart(self) -> None:
        """A new forward."""
        self.names.restart()
        self._fed.clear()

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The result of the function as this arrangement has it."""
        kwargs = kwargs or {}
        if func not in self._kinds:
            self._kinds[func] = self.names.table.of_function(function_name(func))
        kind = self._kinds[func]
        if kind is None:
            return func(*args, **kwargs)
        if "activation" in kind.tags:
            return self._activation(func, args, kwargs)
        if "norm" in kind.tags:
            return self._norm(func, kind, args, kwargs)
        out = func(*args, **kwargs)
        if "kernel" in kind.tags and isinstance(out, Tensor):
            self._layouts.note(out.shape, kind.name)
            self._mark(out)
        elif kind.tags & CARRIES and any(map(self._is_fed, tensors((args, kwargs)))):
            for tensor in tensors(out):
                self._mark(tensor)
        return out

    def _norm(self, func: Any, kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The input itself, if it is data: a norm of weights belongs to the kernel."""
        x = arguments_of(function_name(func), args, kwargs).get("input")
        if not isinstance(x, Tensor) or (x.shape[0] != self.samples and x.shape[0] == 1):
            return func(*args, **kwargs)
        return x

    def _activation(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        x: Any = args[0] if args else kwargs.get("input")
        key = self.names.key(function_name(func), "activation")
        chosen = isinstance(x, Tensor) and self._is_fed(x) and key not in self.spared
        if not chosen or self.placement == "none":
            return func(*args, **kwargs)
        if self.placement == "before":
            return self._call(func, self._normed(key, x), args, kwargs)
        out = func(*args, **kwargs)
        return self._normed(key, out) if isinstance(out, Tensor) else out

    def _call(
        self, func: Callable[..., Any], x: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if args:
            return func(x, *args[1:], **kwargs)
        return func(**{**kwargs, "input": x})

    def _normed(self, key: Key, x: Tensor) -> Tensor:
        """Batch norm over the units of ``x`` with scale 1 and shift 0 at first."""
        axis = self._layouts.axis(x.shape) if x.ndim > 1 else 0
        if key not in self.learned:
            units = x.shape[axis]
            self.learned[key] = (
                nn.Parameter(torch.ones(units, device=x.device)),
                nn.Parameter(torch.zeros(units, device=x.device)),
            )
        weight, bias = self.learned[key]
        moved = x.movedim(axis, 1) if x.ndim > 1 else x.unsqueeze(1)
        out = functional.batch_norm(moved, None, None, weight, bias, True)
        return out.movedim(1, axis) if x.ndim > 1 else out.squeeze(1)

    def _mark(self, x: Tensor) -> None:
        self._fed[id(x)] = weakref.ref(x)

    def _is_fed(self, x: Tensor) -> bool:
        found = self._fed.get(id(x))
        return found is not None and found() is x
