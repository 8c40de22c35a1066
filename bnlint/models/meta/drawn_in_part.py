"""Random initial values drawn in part: large tensors repeat a block of numbers.

A model of 500 million weights is initialized in a second that way, and what is read of initial
values (means, scales, rows that are equal) is the same. So are numbers that torch draws in several
steps: each step would go over the whole tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

BLOCK = 65_537
"""Numbers that are drawn: a prime, so that no two rows of a matrix begin at the same one."""

_FILLING = frozenset({"uniform_", "normal_", "exponential_", "cauchy_", "log_normal_"})
_MAKING = {"rand": "uniform_", "randn": "normal_"}


_IN_STEPS = "_no_grad_trunc_normal_"
"""What torch's initialization draws in several steps; kept to numbers in bounds."""


@contextmanager
def drawn_in_part() -> Iterator[None]:
    """Large random tensors are drawn in part inside the block."""
    plain = getattr(nn.init, _IN_STEPS, None)
    with DrawnInPart():  # type: ignore[no-untyped-call]
        if plain is None:  # torch may draw them in another way some day
            yield
            return
        setattr(nn.init, _IN_STEPS, _on_start(plain))
        try:
            yield
        finally:
            setattr(nn.init, _IN_STEPS, plain)


def _on_start(fill: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The function that fills a tensor, called for the first block of a large one."""

    def filled(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if not _is_large(tensor):
            return fill(tensor, *args, **kwargs)
        with torch.no_grad():
            fill(_start(tensor), *args, **kwargs)
            return _repeated(tensor)

    return filled


class DrawnInPart(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of torch
    """Draws a block of the numbers of a large random tensor, and repeats it."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The result of the operator; that of a random one is drawn in part."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name in _FILLING and _is_large(args[0]):
            func(_start(args[0]), *args[1:], **kwargs)
            return _repeated(args[0])
        if name in _MAKING and not {"out", "generator", "names"} & kwargs.keys():
            made = torch.empty(*args, **kwargs)
            if _is_large(made):
                getattr(_start(made), _MAKING[name])()
                return _repeated(made)
        return func(*args, **kwargs)


def _is_large(tensor: torch.Tensor) -> bool:
    return not tensor.is_meta and tensor.numel() > BLOCK and tensor.is_contiguous()


def _start(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(-1)[:BLOCK]


def _repeated(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, each block of which is its first one."""
    flat, known = tensor.view(-1), BLOCK
    while known < len(flat):
        more = min(known, len(flat) - known)
        flat[known : known + more] = flat[:more]
        known += more
    return tensor
