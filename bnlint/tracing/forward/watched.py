"""A running forward, watched: which module is running, and what each call is named.

One ``TorchFunctionMode`` and one stack of modules serve everyone who looks at a live model. Who
looks is a :class:`Subscriber`; it may change what runs, and nothing here knows what it is for.
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
from bnlint.tracing.forward.registry import Registry, path_within

Key = tuple[str, int]
"""A layer and the number of its call in one forward, from 0."""

Runnable = Callable[..., Any]

CLAMPS = frozenset({"clamp", "clip", "clamp_min"})
"""Functions that are an activation with some bounds."""

FAMILIES = ("activation", "norm", "kernel")
"""Calls of these families are named, by the running module if it is of the same family."""


@dataclass(frozen=True, slots=True)
class TorchFunction:
    """A function of torch, and what the table of layers says it is."""

    func: Runnable
    name: str
    kind: Kind | None

    @property
    def clamps(self) -> bool:
        """True for a clamp, which is an activation with some bounds."""
        return plain_name(self.name) in CLAMPS

    @property
    def family(self) -> str | None:
        """Activation, norm or kernel; None for a function whose calls are not named."""
        if self.clamps:
            return "activation"
        if self.kind is None:
            return None
        if self.kind.name == "matmul":
            return "kernel"
        return next((family for family in FAMILIES if family in self.kind.tags), None)


class Subscriber:
    """Base of everything that watches a forward; each hook may stay as it is."""

    def begins(self) -> None:
        """Called when a new forward begins."""

    def module(self, module: nn.Module, run: Runnable) -> Runnable:
        """What to call instead of ``run``, which calls ``module``; asked at each call of it."""
        return run

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """What to call instead of ``run``, which calls ``function``; asked once for a function."""
        return run


class WatchedForward(TorchFunctionMode):
    """Tells subscribers what a model does in this thread, and names its layers and their calls.

    ``now`` is the key of the function call that is running, if it is of one of the families. A
    call is named by the running module where that is of the same family, else by the function and
    the module whose forward calls it.
    """

    def __init__(self, registry: Registry, table: Table) -> None:
        super().__init__()
        self.registry = registry
        self.table = table
        self.now: Key = ("", 0)
        self._running: list[tuple[nn.Module, str | None]] = [(registry.root, None)]
        self._subscribers: list[Subscriber] = []
        self._routes: dict[Any, Runnable] = {}
        self._calls: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def by(self, *subscribers: Subscriber) -> Iterator[None]:
        """Lets ``subscribers`` watch, from a new forward on; the last one sees a call first."""
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
        """The layer that makes this call, and how many calls of this family it has made before."""
        path = self.path
        if self.kind(family) is not None:
            layer = path or type(self._running[-1][0]).__name__
        else:
            layer = f"{path}.{function}()" if path else f"{function}()"
        number = self._calls[family, layer]
        self._calls[family, layer] = number + 1
        return layer, number

    def _inner_name(self, module: nn.Module) -> str | None:
        """A name for an unregistered part of a leaf layer; None for what the registry names.

        A leaf is one operation: its parts must not take the numbers of unregistered layers.
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
        self.registry.forget_strays()
        for subscriber in self._subscribers:
            subscriber.begins()

    @contextmanager
    def _following(self) -> Iterator[None]:
        """Keeps the stack of running modules while the block runs.

        ``nn.Module.__call__`` is wrapped, not hooked: a hook loses the depth when a forward raises
        and the caller catches it.
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
        """The call of a module, as the subscribers want it."""
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
        """The result of the function, as the subscribers want it."""
        try:
            route = self._routes[func]
        except KeyError:
            route = self._routes[func] = self._route(func)
        except TypeError:  # a callable that cannot be a key
            route = self._route(func)
        return route(*args, **kwargs) if kwargs else route(*args)

    def _route(self, func: Runnable) -> Runnable:
        """What a call of the function runs: all that the subscribers put around it."""
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
            return run(*args, **kwargs)

        return named


def kind_of(module: nn.Module, table: Table) -> Kind | None:
    """The kind of a module in the table; None for a scripted one, which has no class of its own."""
    return None if isinstance(module, torch.jit.ScriptModule) else table.of_module(module)


def function_name(func: object) -> str:
    """The name of a function; ``torch.nn.functional.threshold`` calls itself ``_threshold``."""
    name = str(getattr(func, "__name__", ""))
    return name[1:] if name.startswith("_") and not name.startswith("__") else name


def _is_whole(module: nn.Module, table: Table) -> bool:
    return isinstance(module, torch.jit.ScriptModule) or is_leaf(module, table)
