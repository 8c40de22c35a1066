"""Which module is running: a stack of module paths kept while a forward runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

Entered = Callable[[str, nn.Module], None]


class ModuleStack:
    """The chain of modules of ``model`` whose forward is running, outermost first."""

    def __init__(self, model: nn.Module) -> None:
        self.names = {id(module): path for path, module in model.named_modules()}
        self.running: list[tuple[str, nn.Module]] = []

    @property
    def path(self) -> str:
        """The path of the innermost running module that is registered; empty at the root."""
        return self.running[-1][0] if self.running else ""

    def layer(self, stands: Callable[[nn.Module], bool]) -> str | None:
        """What the innermost module is called, if it ``stands`` for the operation that it runs."""
        if not self.running:
            return None
        path, module = self.running[-1]
        if not stands(module):
            return None
        return path if path and id(module) in self.names else type(module).__name__

    def push(self, module: nn.Module) -> str:
        """Enters ``module``; one that is not registered keeps its caller's path."""
        path: str = self.names.get(id(module), self.path)
        self.running.append((path, module))
        return path


@contextmanager
def follow(stack: ModuleStack, entered: Entered | None = None) -> Iterator[None]:
    """Keeps ``stack`` true while modules run in this thread.

    ``nn.Module.__call__`` is wrapped, not hooked: a hook loses the depth when a forward raises and
    the caller catches it.
    """
    plain: Any = nn.Module.__call__
    thread = threading.get_ident()

    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:
            return plain(self, *args, **kwargs)
        path = stack.push(self)
        try:
            if entered is not None:
                entered(path, self)
            return plain(self, *args, **kwargs)
        finally:
            stack.running.pop()

    nn.Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__ = plain  # type: ignore[method-assign]
        stack.running.clear()
