"""A watched forward: which module is running, and the name of each call.

A single ``TorchFunctionMode`` and a single stack of modules serve everything that observes a live
model. An observer is a :class:`Subscriber`; it may also change what runs.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from bnlint.layers.table import Kind, Table, is_leaf, plain_name
from bnlint.tracing.forward.module_names import Registry, path_within

Key = tuple[str, int]
"""A layer and the number of its call in one forward, from 0."""

Runnable = Callable[..., Any]

CLAMPS = frozenset({"clamp", "clip", "clamp_min"})
"""Functions that are an activation, depending on their bounds."""

FAMILIES = ("activation", "norm", "kernel")
"""Families whose calls get a name, that of the running module if it is of the same family."""


@dataclass(frozen=True, slots=True)
class TorchFunction:
    """A function of torch with its kind in the table of layers."""

    func: Runnable
    name: str
    kind: Kind | None

    @property
    def clamps(self) -> bool:
        """True for a clamp, which is an activation depending on its bounds."""
        return plain_name(self.name) in CLAMPS

    @property
    def family(self) -> str | None:
        """Activation, norm or kernel; None for a function whose calls get no name."""
        if self.clamps:
            return "activation"
        if self.kind is None:
            return None
        if self.kind.name == "matmul":
            return "kernel"
        return next((family for family in FAMILIES if family in self.kind.tags), None)


class Subscriber:
    """The base class of everything that observes a forward, with hooks that do nothing."""

    def begins(self) -> None:
        """Called when a new forward begins."""

    def module(self, module: nn.Module, run: Runnable) -> Runnable:
        """A replacement for ``run``, which calls ``module``; requested at each call."""
        return run

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """A replacement for ``run``, which calls ``function``; requested once per function."""
        return run


class WatchedForward(TorchFunctionMode):
    """Notifies subscribers of what a model does in this thread, and names its calls.

    ``now`` is the key of the running function call, if it belongs to one of the families, ``turn``
    counts those calls in a forward. A call
    is named after the running module if that is of the same family, else after the function and
    the module whose forward calls it.
    """

    def __init__(self, registry: Registry, table: Table) -> None:
        super().__init__()
        self.registry = registry
        self.table = table
        self.now: Key = ("", 0)
        self.turn = 0
        self._running: list[tuple[nn.Module, str | None]] = [(registry.root, None)]
        self._subscribers: list[Subscriber] = []
        self._routes: dict[Any, Runnable] = {}
        self._calls: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def by(self, *subscribers: Subscriber) -> Iterator[None]:
        """Add ``subscribers`` inside the block, for a new forward; the last one is outermost."""
        alone = not self._subscribers
        self._subscribers += subscribers
        self._routes.clear()
        self._begin()
        try:
            with ExitStack() as stack:
                if alone:
                    stack.enter_context(self._following())
                    stack.enter_context(self)
                yield
        finally:
            left = set(map(id, subscribers))
            self._subscribers = [s for s in self._subscribers if id(s) not in left]
            self._routes.clear()

    # --- names ---

    def running(self, above: int = 0) -> nn.Module:
        """The innermost running module, or one that called it, ``above`` levels higher."""
        return self._running[max(len(self._running) - 1 - above, 0)][0]

    @property
    def path(self) -> str:
        """The path of the innermost running module."""
        module, name = self._running[-1]
        return self.registry.path(module) if name is None else name

    def path_of(self, module: nn.Module) -> str:
        """The path of a module that the innermost running one calls."""
        name = self._inner_name(module)
        return self.registry.path(module) if name is None else name

    def kind(self, family: str) -> Kind | None:
        """The kind of the innermost running module, if it is of this family."""
        kind = kind_of(self._running[-1][0], self.table)
        return kind if kind is not None and family in kind.tags else None

    def _key(self, function: str, family: str) -> Key:
        """The layer that makes this call, and how many calls of this family it made before."""
        path = self.path
        if self.kind(family) is not None:
            layer = path or type(self._running[-1][0]).__name__
        else:
            layer = f"{path}.{function}()" if path else f"{function}()"
        number = self._calls[family, layer]
        self._calls[family, layer] = number + 1
        return layer, number

    def _inner_name(self, module: nn.Module) -> str | None:
        """A name for an unregistered part of a leaf layer; None if the registry names the module.

        A leaf is a single operation, so its parts must not be numbered as unregistered layers.
        """
        if id(module) in self.registry.paths:
            return None
        leaf = next((m for m, _ in self._running if _is_whole(m, self.table)), None)
        if leaf is None or leaf is module:
            return None
        below = path_within(leaf, module) or f"<{type(module).__name__}>"
        return ".".join(filter(None, (self.registry.path(leaf), below)))

    # --- what runs ---

    def _begin(self) -> None:
        self._calls.clear()
        self.turn = 0
        self.registry.forget_strays()
        for subscriber in self._subscribers:
            subscriber.begins()

    @contextmanager
    def _following(self) -> Iterator[None]:
        """Keep the stack of running modules inside the block.

        ``nn.Module.__call__`` is wrapped instead of hooked, since hooks are not called when a
        forward raises an error that its caller catches.
        """
        plain: Runnable = nn.Module.__call__
        thread = threading.get_ident()

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return plain(module, *args, **kwargs)
            return self._module(module, plain)(*args, **kwargs)

        nn.Module.__call__ = call  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = plain  # type: ignore[method-assign]

    def _module(self, module: nn.Module, plain: Runnable) -> Runnable:
        """The call of a module, wrapped by the subscribers."""
        if module is self.registry.root and len(self._running) == 1:
            self._begin()

        def run(*args: Any, **kwargs: Any) -> Any:
            name = self._inner_name(module)
            if name is None:
                self.registry.meet(module)
            self._running.append((module, name))
            try:
                return plain(module, *args, **kwargs)
            finally:
                self._running.pop()

        found: Runnable = run
        for subscriber in self._subscribers:
            found = subscriber.module(module, found)
        return found

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The result of the function, wrapped by the subscribers."""
        try:
            route = self._routes[func]
        except KeyError:
            route = self._routes[func] = self._route(func)
        except TypeError:  # a callable that cannot be a key
            route = self._route(func)
        return route(*args, **kwargs) if kwargs else route(*args)

    def _route(self, func: Runnable) -> Runnable:
        """The function, wrapped by the subscribers, with the name of each call."""
        name = function_name(func)
        function = TorchFunction(func, name, self.table.of_function(name))
        run = func
        for subscriber in self._subscribers:
            run = subscriber.function(function, run)
        family = function.family
        if run is func or family is None:
            return run
        plain = plain_name(name)

        def named(*args: Any, **kwargs: Any) -> Any:
            self.now = self._key(plain, family)
            self.turn += 1
            return run(*args, **kwargs)

        return named


def kind_of(module: nn.Module, table: Table) -> Kind | None:
    """The kind of a module in the table; None for a scripted one, whose class says nothing."""
    return None if isinstance(module, torch.jit.ScriptModule) else table.of_module(module)


def function_name(func: object) -> str:
    """The name of a function; ``torch.nn.functional.threshold`` calls itself ``_threshold``."""
    name = str(getattr(func, "__name__", ""))
    return name[1:] if name.startswith("_") and not name.startswith("__") else name


def _is_whole(module: nn.Module, table: Table) -> bool:
    return isinstance(module, torch.jit.ScriptModule) or is_leaf(module, table)
