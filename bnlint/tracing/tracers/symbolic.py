"""``torch.fx`` with norms, kernels and activations as leaves; it needs no inputs.

A submodule whose forward can't be traced symbolically (for example due to control flow on a
tensor's value) is rolled back to one opaque call with the reason and the line that failed. Its
parts are then traced separately.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable
from functools import cached_property, lru_cache
from types import FrameType
from typing import Any

import torch
from torch import fx, nn

from bnlint.layers.calls import Frames, State
from bnlint.layers.table import Table, is_leaf
from bnlint.loading.sites import call_frames
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.bare import attributes_kept
from bnlint.tracing.forward.module_names import Registry, parameters_by_id
from bnlint.tracing.tracers import Record, Refused
from bnlint.tracing.tracers.autograd import intercept_autograd
from bnlint.tracing.tracers.conversion import to_record
from bnlint.tracing.tracers.outside import inside, is_recomputed, kept_by
from bnlint.tracing.tracers.unpacking import unpacked_by_instruction


def trace_symbolically(model: nn.Module, table: Table, call: Guess, path: str = "") -> Record:
    """The record of the model, which is registered at ``path`` in a larger one.

    Only the names and the number of arguments of ``call`` are used: parameters of the forward that
    are optional are traced if the call provides them.
    """
    return LeafTracer(Registry(model, path), table, call).followed()


@dataclasses.dataclass(frozen=True, slots=True)
class _Owner:
    """A module whose forward runs: its path, the frame that called it and those around that.

    ``recomputed`` is true inside of ``torch.utils.checkpoint``.
    """

    path: str
    frame: FrameType | None = None
    frames: Frames = ()
    recomputed: bool = False


_SCALARS = frozenset((bool, int, float, str, type(None)))


class LeafTracer(fx.Tracer):
    """The fx tracer with classified layers as leaves and modules that fail as opaque calls."""

    name = "symbolic"

    def __init__(self, registry: Registry, table: Table, call: Guess) -> None:
        super().__init__()
        self.registry = registry
        self.table = table
        self.call = call
        self.owners = [_Owner(registry.path(registry.root))]
        self.refused: list[Refused] = []
        self.called: dict[int, int] = {}
        self.left_out = False
        self.own_parameters = parameters_by_id(registry.modules)
        self.quiet = False

    def followed(self) -> Record:
        """The record of the model's forward; refused if it raises an error."""
        root = self.registry.root
        try:
            watched = intercept_autograd(self.call_autograd)
            with attributes_kept(root), watched, unpacked_by_instruction():
                # fx walks a module for what is looked up in other ways here
                self.trace(root if isinstance(root, fx.GraphModule) else type(root).forward)
        except Exception as error:  # the user's forward may raise anything
            refused = Refused.after(error, self.registry.path(root))
            return Record(self.name, refused=[refused])
        found = Record(self.name, refused=self.refused, called=self.called, left_out=self.left_out)
        return to_record(self.graph, self.registry, self.table, found)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """The result of the module's forward, or one proxy if it is a leaf or fails."""
        if self.quiet:
            return forward(*args, **kwargs)
        self.called[id(m)] = self.called.get(id(m), 0) + 1
        path = self.registry.path(m)
        if is_leaf(m, self.table):
            _refuse_unknown(m, kwargs)
            if _reads_proxy(*vars(m).values()):  # nn.AvgPool2d(x.shape[2:])(x)
                raise fx.proxy.TraceError("a layer is made with the size of an input")
            return self._leaf(m, path, args, kwargs)
        last, depth = self._last_node(), len(self.refused)
        outer = self.owners[-1]
        frames = call_frames(outer.frame, outer.frames)
        recomputed = is_recomputed(outer.frame, outer.recomputed)
        self.owners.append(_Owner(path, sys._getframe(), frames, recomputed))
        try:
            return forward(*args, **kwargs)
        except Exception as error:  # the user's forward may raise anything
            if not _reads_proxy(args, kwargs):
                raise
            self._roll_back(last)
            del self.refused[depth:]
            self.refused.append(Refused.after(error, path))
        finally:
            self.owners.pop()
        return self._leaf(m, path, args, kwargs, opaque=True)

    def call_autograd(
        self, cls: Any, apply: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """One proxy for a ``torch.autograd.Function`` that is applied to proxies."""
        if _reads_proxy(args, kwargs):
            return self.create_proxy("call_function", cls.apply, args, kwargs)
        return apply(*args, **kwargs)

    def _leaf(
        self, m: nn.Module, path: str, args: Any, kwargs: Any, *, opaque: bool = False
    ) -> fx.Proxy:
        proxy = self.create_proxy("call_module", path or "root", args, kwargs)
        owner = self.owners[-1]
        recomputed = is_recomputed(owner.frame, owner.recomputed)
        proxy.node.meta.update(module=m, path=path, opaque=opaque, recomputed=recomputed)
        return proxy

    def _last_node(self) -> fx.Node:
        return self.graph._root.prev

    def _roll_back(self, last: fx.Node) -> None:
        while (node := self._last_node()) is not last:
            self.graph.erase_node(node)

    def create_node(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> fx.Node:
        """A node with the module that calls it, the frames and whether gradients are enabled."""
        node = self.graph.create_node(kind, target, (), {}, name, None)
        if args:  # passed above, they are searched for symbolic numbers, which takes longest
            node.args = args
        if kwargs:
            node.kwargs = kwargs
        if kind != "get_attr":
            owner = self.owners[-1]
            node.meta["frames"] = call_frames(owner.frame, owner.frames)
            node.meta["owner"] = owner.path
            node.meta["grad"] = torch.is_grad_enabled()
        return node

    def create_arg(self, a: Any) -> Any:
        """The argument as fx keeps it; tensors become attributes without changing the model."""
        if isinstance(a, fx.Proxy):
            return a.node
        if type(a) in _SCALARS:
            return a
        if type(a) is tuple:
            return tuple(map(self.create_arg, a))
        if type(a) is dict and not a:
            return a
        if isinstance(a, torch.Tensor):
            node = self.create_node("get_attr", "tensor", (), {})
            node.meta["value"] = a
            node.meta["state"] = State(
                self._state_paths.get(id(a), "constant"),
                tuple(a.shape),
                isinstance(a, nn.Parameter),
                a,
            )
            return node
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return tuple(map(self.create_arg, a))
        if dataclasses.is_dataclass(a) and not isinstance(a, type):
            return tuple(self.create_arg(getattr(a, f.name)) for f in dataclasses.fields(a))
        try:
            return super().create_arg(a)
        except NotImplementedError:
            return None

    @cached_property
    def _state_paths(self) -> dict[int, str]:
        return {id(found): name for name, found in self.registry.root.named_parameters()}

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Parameters of the model as proxies with their path and shape.

        Others are returned as they are: a layer that the forward builds must initialize its own.
        """
        if self.quiet or id(attr_val) not in self.own_parameters:
            return attr_val
        key = str(id(attr_val))
        if key not in parameter_proxy_cache:
            parameter_proxy_cache[key] = self.proxy(self.create_arg(attr_val))
        return parameter_proxy_cache[key]

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """The bound forward, with proxies for its required parameters and those that are given."""
        forward = self.registry.root.forward
        args, kwargs = self._root_arguments(forward)

        def call() -> Any:
            if is_leaf(self.registry.root, self.table):  # a single layer is one operation
                return self.call_module(self.registry.root, forward, tuple(args), kwargs)
            result = forward(*args, **kwargs)
            for value in (*inside(result), *kept_by(self.registry.modules)):
                if isinstance(value, fx.Proxy) and value.node.graph is self.graph:
                    value.node.meta["kept"] = True
            return result

        return call, []

    def _root_arguments(self, forward: Any) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        fed = _parameters_to_feed(forward, self.call)
        every = inspect.signature(forward).parameters.values()
        self.left_out = any(p.default is None and p not in fed for p in every)
        for p in fed:
            proxy = self.create_proxy("placeholder", p.name, (), {})
            if p.kind is inspect.Parameter.KEYWORD_ONLY or kwargs or p.name in self.call.kwargs:
                kwargs[p.name] = proxy
            else:
                args.append(proxy)
        return args, kwargs


def _parameters_to_feed(forward: Any, call: Guess) -> list[inspect.Parameter]:
    keywords, positional = call.kwargs.keys(), len(call.args)
    every = list(inspect.signature(forward).parameters.values())
    named = [p for p in every if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    chosen = [
        p
        for i, p in enumerate(named)
        if p.default is p.empty or p.name in keywords or (not keywords and i < positional)
    ]
    if not chosen:
        chosen = named[:1] or [p for p in every if p.kind is p.VAR_POSITIONAL][:1]
    return chosen


def _reads_proxy(*values: Any) -> bool:
    found = False

    def look(value: Any) -> Any:
        nonlocal found
        found = found or isinstance(value, fx.Proxy)
        return value

    fx.node.map_aggregate(values, look)
    return found


def _refuse_unknown(module: nn.Module, keywords: dict[str, Any]) -> None:
    """Raise what a layer raises for a keyword that it does not take: the caller may catch it."""
    cls: Any = type(module)
    for name in keywords:
        if not _takes(cls, name):
            called = f"{cls.__name__}.forward()"
            raise TypeError(f"{called} got an unexpected keyword argument {name!r}")


@lru_cache(maxsize=1024)
def _takes(cls: type[nn.Module], keyword: str) -> bool:
    try:
        parameters = inspect.signature(cls.forward).parameters
    except (TypeError, ValueError):
        return True
    return keyword in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
