"""Random initial values drawn in part: large tensors repeat a block of numbers.

A model of 500 million weights is initialized in a second that way, and what is read of initial
values (means, scales, rows that are equal) is the same. So are numbers that torch draws in several
steps: each step would go over the whole tensor.

The block is repeated where an operation reads the tensor, and at the end: most layers are
initialized by themselves first, and by their model then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bnlint.models.nested import tensors_in

BLOCK = 65_537
"""Numbers that are drawn: a prime, so that no two rows of a matrix begin at the same one."""

_FILLING = frozenset({"uniform_", "normal_", "exponential_", "cauchy_", "log_normal_"})
_WHOLE = _FILLING | {"zero_", "fill_"}
"""What overwrites all of a tensor, whatever it held."""

_BLIND = frozenset({"detach", "alias", "view", "_unsafe_view", "requires_grad_"})
"""What reads none of the numbers of a tensor."""

_MAKING = {"rand": "uniform_", "randn": "normal_"}


_IN_STEPS = "_no_grad_trunc_normal_"
"""What torch's initialization draws in several steps; kept to numbers in bounds."""


@contextmanager
def drawn_in_part() -> Iterator[None]:
    """Large random tensors are drawn in part inside the block."""
    plain = getattr(nn.init, _IN_STEPS, None)
    drawing = DrawnInPart()
    with drawing:
        if plain is not None:  # torch may draw them in another way some day
            setattr(nn.init, _IN_STEPS, drawing.in_steps(plain))
        try:
            yield
        finally:
            if plain is not None:
                setattr(nn.init, _IN_STEPS, plain)
    drawing.finish()


class DrawnInPart(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of torch
    """Draws a block of the numbers of a large random tensor, and repeats it when it is read."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._begun: dict[int, torch.Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The result of the operator; that of a random one is drawn in part."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name in _WHOLE and _is_large(args[0]):
            self._forget(args[0])
        if self._begun and name not in _BLIND:
            self._finish(tensors_in((args, kwargs)))
        if name in _FILLING and _is_large(args[0]):
            func(_start(args[0]), *args[1:], **kwargs)
            return self._begin(args[0])
        if name in _MAKING and not {"out", "generator", "names"} & kwargs.keys():
            made = torch.empty(*args, **kwargs)
            if _is_large(made):
                getattr(_start(made), _MAKING[name])()
                return self._begin(made)
        return func(*args, **kwargs)

    def in_steps(self, fill: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """The function that fills a tensor, called for the first block of a large one."""

        def filled(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            if not _is_large(tensor):
                return fill(tensor, *args, **kwargs)
            self._forget(tensor)
            with torch.no_grad():
                fill(_start(tensor), *args, **kwargs)
            return self._begin(tensor)

        return filled

    def finish(self) -> None:
        """Repeat the blocks of all tensors whose first one was drawn."""
        self._finish([*self._begun.values()])

    def _begin(self, tensor: torch.Tensor) -> torch.Tensor:
        self._begun[_memory_of(tensor)] = tensor.detach()
        return tensor

    def _forget(self, tensor: torch.Tensor) -> None:
        """Leave a tensor that is overwritten as it is, unless its memory holds more."""
        memory = _memory_of(tensor)
        known = self._begun.get(memory)
        if known is not None and _place_of(known) == _place_of(tensor):
            del self._begun[memory]

    def _finish(self, read: list[torch.Tensor]) -> None:
        for tensor in read:
            begun = None if tensor.is_meta else self._begun.pop(_memory_of(tensor), None)
            if begun is not None:
                _repeat(begun)


def _memory_of(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _place_of(tensor: torch.Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor.numel()


def _is_large(tensor: torch.Tensor) -> bool:
    return not tensor.is_meta and tensor.numel() > BLOCK and tensor.is_contiguous()


def _start(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(-1)[:BLOCK]


def _repeat(tensor: torch.Tensor) -> None:
    """Make each block of a tensor its first one."""
    flat, known = tensor.view(-1), BLOCK
    while known < len(flat):
        more = min(known, len(flat) - known)
        flat[known : known + more] = flat[:more]
        known += more
