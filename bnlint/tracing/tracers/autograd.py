"""Custom autograd functions as operations, since function modes do not intercept them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch._C import _FunctionBase
from torch.autograd.function import Function, _SingleLevelFunction
from torch.utils.checkpoint import CheckpointFunction

from bnlint.domain.objects import home_of, is_a
from bnlint.tracing.forward.kernels import run_without_kernels

_IN_C = vars(Function).get("apply") is vars(_FunctionBase)["apply"]
"""From torch 2.14 on, the method that is bound is that of C, which no other method replaces."""

Handler = Callable[[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@contextlib.contextmanager
def intercept_autograd(handle: Handler) -> Iterator[None]:
    """Send every ``Function.apply`` to ``handle(cls, apply, args, kwargs)``.

    Code may keep bound ``apply`` methods (``swish = Swish.apply``), so the method that those look
    up when they run is replaced. Checkpointing is an autograd function too; its function is simply
    run. So is the forward of a function that takes modules (reversible blocks), as it calls them.
    """
    busy: list[type] = []

    def applied(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if cls is CheckpointFunction:
            return args[0](*args[2:])
        if any(isinstance(a, nn.Module) for a in args):
            return _run_openly(cls, args, kwargs)

        def apply(*inner: Any, **named: Any) -> Any:
            busy.append(cls)
            try:
                bound = plain.__get__(None, cls)
                return run_without_kernels(cls, lambda: bound(*inner, **named))
            finally:
                busy.pop()

        return handle(cls, apply, args, kwargs)

    owner: Any = Function if _IN_C else _SingleLevelFunction
    plain: Any = vars(_FunctionBase)["apply"]
    before = vars(owner).get("apply")
    owner.apply = classmethod(applied)
    try:
        with _forwards_opened(applied, busy) if _IN_C else contextlib.nullcontext():
            yield
    finally:
        if before is None:
            del owner.apply
        else:
            owner.apply = before


@contextlib.contextmanager
def _forwards_opened(applied: Callable[..., Any], busy: list[type]) -> Iterator[None]:
    """Send kept ``apply`` methods to ``applied`` too, which look nothing up but the forward."""
    changed = {cls: vars(cls)["forward"] for cls in _functions() if "forward" in vars(cls)}
    for cls, plain in changed.items():
        if isinstance(plain, staticmethod):
            cls.forward = staticmethod(_opened(cls, plain.__func__, applied, busy))
    try:
        yield
    finally:
        for cls, plain in changed.items():
            cls.forward = plain


def _functions() -> list[Any]:
    """All custom autograd functions but torch's own."""
    found: list[Any] = []
    waiting: list[Any] = [Function]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += [cls for cls in below if not home_of(cls).startswith("torch.")]
        waiting += below
    return found


def _opened(
    owner: type, plain: Callable[..., Any], applied: Callable[..., Any], busy: list[type]
) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        context = args[0] if args else None
        if busy or not is_a(context, _FunctionBase):
            return plain(*args, **kwargs)
        cls = getattr(context, "_forward_cls", owner)
        # a forward runs without gradients; what it needs says whether they are wanted outside
        tensors = any(is_a(value, torch.Tensor) for value in args)
        with torch.set_grad_enabled(any(context.needs_input_grad) or not tensors):
            return applied(cls, *args[1:], **kwargs)

    return forward


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
