"""Random initial values drawn in part: large tensors repeat a block of numbers.

A model of 500 million weights is initialized in a second that way, and what is read of initial
values (means, scales, rows that are equal) is the same. So are numbers that torch draws in several
steps: each step would go over the whole tensor.

The block is repeated where an operation reads the tensor. What nothing has read at the end becomes
a view of the block alone, whose rows begin at different numbers of it, and a lookup table stays as
it is, since no fact depends on its numbers. Memory that was never written to is none, so a large
model needs hardly more of it than a small one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from bnlint.models.nested import tensors, tensors_in

BLOCK = 65_537
"""Numbers that are drawn: a prime, so that no two rows of a matrix begin at the same one."""

_FILLING = frozenset({"uniform_", "normal_", "exponential_", "cauchy_", "log_normal_"})
_SETTING = frozenset({"zero_", "fill_"})
"""What sets a tensor to one number, or a part of one, as the row of padding."""

_WHOLE = _FILLING | _SETTING
"""What overwrites all of a tensor, whatever it held."""

_BLIND = frozenset({"detach", "alias", "view", "_unsafe_view", "requires_grad_", "select", "slice"})
"""What reads none of the numbers of a tensor."""

_MAKING = {"rand": "uniform_", "randn": "normal_"}


_IN_STEPS = "_no_grad_trunc_normal_"
"""What torch's initialization draws in several steps; kept to numbers in bounds."""


def drawn_in_part(make: Callable[[], nn.Module]) -> nn.Module:
    """The model that ``make`` returns; its large random tensors are drawn in part."""
    drawing = DrawnInPart()
    with drawing, _in_steps(drawing):
        model = make()
    drawing.finish(model)
    return model


@contextmanager
def _in_steps(drawing: DrawnInPart) -> Iterator[None]:
    plain = getattr(nn.init, _IN_STEPS, None)
    if plain is None:  # torch may draw them in another way some day
        yield
        return
    setattr(nn.init, _IN_STEPS, drawing.in_steps(plain))
    try:
        yield
    finally:
        setattr(nn.init, _IN_STEPS, plain)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A tensor of which the first block was drawn, and the parts of it that were set since."""

    tensor: torch.Tensor
    settings: list[Callable[[], object]] = field(default_factory=list)

    @torch.no_grad()
    def complete(self) -> None:
        """Repeat the block, and set again what was set."""
        _repeat(self.tensor)
        for setting in self.settings:
            setting()


class DrawnInPart(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of torch
    """Draws a block of the numbers of a large random tensor, and repeats it when it is read."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._begun: dict[int, _Begun] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The result of the operator; that of a random one is drawn in part."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name in _WHOLE and _is_large(args[0]):
            self._forget(args[0])
        if name in _SETTING and self._is_begun(args[0]) and not tensors_in((args[1:], kwargs)):
            self._begun[_memory_of(args[0])].settings.append(
                partial(func, args[0].detach(), *args[1:], **kwargs)
            )
            return func(*args, **kwargs)
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

    def finish(self, model: nn.Module) -> None:
        """Let parameters whose first block was drawn be views of it; complete what else is read."""
        holders: dict[int, list[tuple[nn.Module, torch.Tensor]]] = defaultdict(list)
        for module in model.modules():
            for tensor in tensors(vars(module)):
                if self._is_begun(tensor):
                    holders[_memory_of(tensor)].append((module, tensor))
        for memory, held in holders.items():
            begun = self._begun[memory]
            parameter = None if begun.settings else _only_parameter(held, begun.tensor)
            rows = None if parameter is None else _rows_of_block(begun.tensor)
            if parameter is not None and rows is not None:
                parameter.data = rows
            elif not all(isinstance(module, nn.Embedding) for module, _ in held):
                begun.complete()

    def _is_begun(self, tensor: torch.Tensor) -> bool:
        return _has_memory(tensor) and _memory_of(tensor) in self._begun

    def _begin(self, tensor: torch.Tensor) -> torch.Tensor:
        self._begun[_memory_of(tensor)] = _Begun(tensor.detach())
        return tensor

    def _forget(self, tensor: torch.Tensor) -> None:
        """Leave a tensor that is overwritten as it is, unless its memory holds more."""
        memory = _memory_of(tensor)
        known = self._begun.get(memory)
        if known is not None and _place_of(known.tensor) == _place_of(tensor):
            del self._begun[memory]

    def _finish(self, read: list[torch.Tensor]) -> None:
        for tensor in read:
            if self._is_begun(tensor):
                self._begun.pop(_memory_of(tensor)).complete()


def _only_parameter(
    held: list[tuple[nn.Module, torch.Tensor]], begun: torch.Tensor
) -> nn.Parameter | None:
    """The parameter that is the whole tensor, if nothing else in the model has its memory."""
    first = held[0][1]
    alone = all(tensor is first for _, tensor in held) and _place_of(first) == _place_of(begun)
    return first if alone and isinstance(first, nn.Parameter) else None


def _has_memory(tensor: torch.Tensor) -> bool:
    return not tensor.is_meta and not is_lazy(tensor) and tensor.layout is torch.strided


def _memory_of(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _place_of(tensor: torch.Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor.numel()


def _is_large(tensor: torch.Tensor) -> bool:
    return _has_memory(tensor) and tensor.numel() > BLOCK and tensor.is_contiguous()


def _start(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(-1)[:BLOCK]


def _rows_of_block(tensor: torch.Tensor) -> torch.Tensor | None:
    """A tensor of the same shape whose rows begin at different numbers of its first block.

    None if that would not be much smaller.
    """
    rows, width = tensor.shape[0], tensor[0].numel()
    step = max((BLOCK - width) // max(rows - 1, 1), 1)
    needed = (rows - 1) * step + width
    if 2 * needed > tensor.numel():
        return None
    block = tensor.view(-1)[: max(needed, BLOCK)].clone()
    _repeat(block)
    return block.as_strided(tensor.shape, (step, *tensor.stride()[1:]))


def _repeat(tensor: torch.Tensor) -> None:
    """Make each block of a tensor its first one."""
    flat, known = tensor.view(-1), BLOCK
    while known < len(flat):
        more = min(known, len(flat) - known)
        flat[known : known + more] = flat[:more]
        known += more
