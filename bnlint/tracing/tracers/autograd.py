"""Custom autograd functions as operations: torch's own hooks do not see them being applied."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from torch.autograd.function import _SingleLevelFunction
from torch.utils.checkpoint import CheckpointFunction

Handler = Callable[[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@contextlib.contextmanager
def intercept_autograd(handle: Handler) -> Iterator[None]:
    """Send every ``Function.apply`` to ``handle(cls, apply, args, kwargs)``.

    Code keeps bound ``apply`` methods (``swish = Swish.apply``), so what is replaced is the step
    that those look up when they run. Checkpointing is an autograd function too; what it would
    recompute later is simply run.
    """

    def applied(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if cls is CheckpointFunction:
            return args[0](*args[2:])

        def apply(*inner: Any, **named: Any) -> Any:
            return super(_SingleLevelFunction, cls).apply(*inner, **named)

        return handle(cls, apply, args, kwargs)

    function: Any = _SingleLevelFunction
    function.apply = classmethod(applied)
    try:
        yield
    finally:
        del function.apply
