"""Custom autograd functions as operations, since function modes do not intercept them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.autograd.function import _SingleLevelFunction
from torch.utils.checkpoint import CheckpointFunction

Handler = Callable[[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@contextlib.contextmanager
def intercept_autograd(handle: Handler) -> Iterator[None]:
    """Send every ``Function.apply`` to ``handle(cls, apply, args, kwargs)``.

    Code may keep bound ``apply`` methods (``swish = Swish.apply``), so the method that those look
    up when they run is replaced. Checkpointing is an autograd function too; its function is simply
    run. So is the forward of a function that takes modules (reversible blocks), as it calls them.
    """

    def applied(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if cls is CheckpointFunction:
            return args[0](*args[2:])
        if any(isinstance(a, nn.Module) for a in args):
            return _run_openly(cls, args, kwargs)

        def apply(*inner: Any, **named: Any) -> Any:
            return super(_SingleLevelFunction, cls).apply(*inner, **named)

        return handle(cls, apply, args, kwargs)

    function: Any = _SingleLevelFunction
    function.apply = classmethod(applied)
    try:
        yield
    finally:
        del function.apply


class _Context:
    """A context for a forward without a backward."""

    def __init__(self, arguments: int) -> None:
        self.needs_input_grad = (False,) * arguments

    def save_for_backward(self, *tensors: Any) -> None:
        """Save nothing, since there is no backward."""

    mark_dirty = mark_non_differentiable = save_for_forward = save_for_backward
    set_materialize_grads = save_for_backward


def _run_openly(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of the function's forward, run like any other code."""
    with _gradients_kept(), _memory_kept():
        if cls.setup_context is not _SingleLevelFunction.setup_context:
            return cls.forward(*args, **kwargs)
        return cls.forward(_Context(len(args)), *args, **kwargs)


@contextlib.contextmanager
def _gradients_kept() -> Iterator[None]:
    """Disable ``torch.no_grad``: the function has a backward, so its layers are trained."""
    no_grad: Any = torch.no_grad
    entered, left = no_grad.__enter__, no_grad.__exit__
    no_grad.__enter__ = lambda self: None
    no_grad.__exit__ = lambda self, *raised: None
    try:
        yield
    finally:
        no_grad.__enter__, no_grad.__exit__ = entered, left


@contextlib.contextmanager
def _memory_kept() -> Iterator[None]:
    """Disable ``x.set_()``, which frees a tensor that the record still contains."""
    tensor: Any = torch.Tensor
    change = tensor.set_
    tensor.set_ = lambda self, *args, **kwargs: change(self, *args, **kwargs) if args else self
    try:
        yield
    finally:
        del tensor.set_
