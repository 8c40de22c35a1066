"""The tensors of a call by number, and the call with one of them changed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from bnlint.domain.graph import Shape
from bnlint.models.guessing.guess import Guess, empty
from bnlint.models.nested import with_tensors

LARGEST_RANK = 6

_FILLERS: Mapping[int, Shape] = {
    0: (),
    1: (2,),
    2: (2, 64),
    3: (2, 16, 64),
    4: (2, 3, 64, 64),
    5: (2, 3, 8, 64, 64),
    6: (2, 3, 2, 8, 64, 64),
}
"""A shape of each rank to start from."""


def slots_of(guess: Guess) -> list[torch.Tensor]:
    """The tensors of a call, each with its number as index."""
    found: list[torch.Tensor] = []

    def one(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    with_tensors((guess.args, dict(guess.kwargs)), one)
    return found


def with_slots(guess: Guess, changed: Mapping[int, torch.Tensor]) -> Guess:
    """The call with other tensors at some numbers."""
    numbers = itertools.count()
    args, kwargs = with_tensors(
        (guess.args, dict(guess.kwargs)), lambda tensor: changed.get(next(numbers), tensor)
    )
    return replace(guess, args=args, kwargs=kwargs)


def with_sizes(guess: Guess, sizes: Mapping[tuple[int, int], int]) -> Guess:
    """The call with other sizes at some axes, by the numbers of the tensor and of the axis."""
    changed: dict[int, torch.Tensor] = {}
    slots = slots_of(guess)
    for (slot, axis), size in sizes.items():
        tensor = changed.get(slot, slots[slot])
        shape = list(tensor.shape)
        shape[axis] = size
        changed[slot] = like(tensor, tuple(shape))
    return with_slots(guess, changed)


def with_rank(tensor: torch.Tensor, rank: int) -> torch.Tensor | None:
    """A tensor of another rank, with the sizes that it has; None if there is no such shape."""
    if not 0 <= rank <= LARGEST_RANK:
        return None
    shape = tuple(tensor.shape)
    if rank <= len(shape):
        kept = max(rank - 2, min(rank, 1))  # the batch, and what comes before an image
        return like(tensor, (*shape[:kept], *shape[len(shape) - rank + kept :]))
    filler = _FILLERS[rank]
    if len(shape) == 4:  # frames or views of an image
        return like(tensor, (shape[0], 4, *shape[1:]))
    return like(tensor, filler)


def like(tensor: torch.Tensor, shape: Any) -> torch.Tensor:
    """An empty tensor of the same type with another shape."""
    return empty(tuple(shape), tensor.dtype)
