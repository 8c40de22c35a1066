"""fx with concrete shapes: proxies hold meta tensors, so sizes and flags are plain numbers.

Control flow on shapes, ``len``, unpacking and iteration work. It needs inputs, and refuses if
control flow depends on the values of a tensor.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from bnlint.domain.phrases import first_line
from bnlint.layers.calls import UNSEEN
from bnlint.layers.table import Table
from bnlint.models.guessing.guess import Guess
from bnlint.models.nested import tensors
from bnlint.tracing.forward.module_names import Registry
from bnlint.tracing.shapes import invoke, substitute
from bnlint.tracing.tracers import Record
from bnlint.tracing.tracers.symbolic import LeafTracer


def trace_concretely(model: nn.Module, table: Table, call: Guess) -> Record:
    """The record of the model, run by fx with the arguments of ``call``."""
    return ConcreteTracer(Registry(model), table, call).followed()


class ConcreteProxy(fx.Proxy):
    """A proxy that knows its value on the meta device.

    It is no subclass of a tensor, since compiled code that reads it as one would crash.
    """

    @property
    def value(self) -> Any:
        """The meta tensor, or tuple of them, that this represents."""
        return self.node.meta["value"]

    def __getattr__(self, name: str) -> Any:
        value = self.node.meta["value"]
        found = getattr(value, name)
        if isinstance(found, torch.Tensor):
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return fx.proxy.Attribute(self, name) if callable(found) else found

    def __setitem__(self, key: Any, item: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, item), {})

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        proxy: Any = self
        return (proxy[i] for i in range(len(self.value)))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __index__(self) -> int:
        return int(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)


class ConcreteTracer(LeafTracer):
    """Runs every operation on meta while tracing; numbers never become proxies."""

    name = "concrete"

    def __init__(self, registry: Registry, table: Table, candidate: Guess) -> None:
        super().__init__(registry, table, candidate)
        self.entry: Any = None
        self.leaf: nn.Module | None = None

    def _leaf(
        self, m: nn.Module, path: str, args: Any, kwargs: Any, *, opaque: bool = False
    ) -> Any:
        self.leaf = m
        return super()._leaf(m, path, args, kwargs, opaque=opaque)

    def _root_arguments(self, forward: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the call, with a placeholder for each tensor in them."""
        names = list(inspect.signature(forward).parameters)
        args = [
            self._placeholders(name, value)
            for name, value in zip(_endless(names), self.call.args, strict=False)
        ]
        kwargs = {k: self._placeholders(k, v) for k, v in self.call.kwargs.items()}
        return args, kwargs

    def _placeholders(self, name: str, value: Any) -> Any:
        def one(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            self.entry = leaf
            return self.create_proxy("placeholder", name, (), {})

        return pytree.tree_map(one, value)

    def proxy(self, node: fx.Node) -> ConcreteProxy:
        """A proxy that holds a value."""
        return ConcreteProxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Callable[[fx.Node], Any] | None = None,
    ) -> Any:
        """A proxy with its value; numbers, sizes and flags are returned as they are."""
        last = self._last_node()
        proxy = super().create_proxy(kind, target, args, kwargs, name, type_expr, proxy_factory_fn)
        value, error = self._run(kind, target, args, kwargs)
        if kind != "placeholder" and next(tensors(value), None) is None:
            self._roll_back(last)
            return value
        proxy.node.meta.update(value=value, error=error)
        return proxy

    def _run(self, kind: str, target: Any, args: Any, kwargs: Any) -> tuple[Any, str | None]:
        if kind == "placeholder":
            return self.entry, None
        real_args, real_kwargs = (pytree.tree_map(_value, v) for v in (args, kwargs))
        function = self.leaf if kind == "call_module" else target
        self.quiet = True
        try:
            with torch.no_grad():
                result = invoke(function, tuple(real_args), dict(real_kwargs))
            return (real_args[0] if function is operator.setitem else result), None
        except Exception as raised:
            value = substitute(function, self.table, tuple(real_args))
            if value is UNSEEN:
                raise
            return value, first_line(str(raised).strip())
        finally:
            self.quiet = False


def _endless(names: list[str]) -> Iterator[str]:
    """The names, the last one repeated for ``*args``."""
    yield from names
    while names:
        yield names[-1]


def _value(item: Any) -> Any:
    return item.node.meta["value"] if isinstance(item, fx.Proxy) else item
