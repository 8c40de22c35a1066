"""Inputs like a guessed one, of other sizes and with other axes.

What fails for each of them in the same way is no matter of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from bnlint.domain.graph import Shape
from bnlint.models.guessing.guess import Guess, empty
from bnlint.models.nested import mapped, tensors
from bnlint.tracing.reasons import Reason

_STEPS = (1, -1, 2, -2, 3, 4, -4, 5, 6, 8, 12)
"""Sizes beside the guessed one, which is a multiple of 4: nets that halve a map three times ask
for certain remainders."""
_MANY = 8
"""Sizes from which on an axis counts as one of positions rather than of channels."""

Change = Callable[[int, Shape], Shape]


def variations(candidate: Guess, why: Reason | None) -> Iterator[Guess]:
    """The candidate with other sizes, axes and types, those first that suit why it failed."""
    shapes = shapes_of(candidate)
    sizes = sorted({size for shape in shapes for size in shape[1:]}, reverse=True)
    for size in sizes:
        if why is not None and 0 < why.within < size:
            yield resized(candidate, size, why.within)
    for size in sizes:
        yield resized(candidate, size, 2 * size)
    yield from _batches(candidate, shapes)
    if why is not None and why.of_types:
        yield _of_other_types(candidate)
    yield from _ranks(candidate, shapes)
    yield from _videos(candidate, shapes)
    for size in sizes:
        for step in _STEPS if size >= _MANY else (1, 31 * size):  # pooling rounds down
            yield resized(candidate, size, size + step)
    for number, shape in enumerate(shapes):
        for axis in range(1, len(shape)):
            yield changed(candidate, _doubled(number, axis))


def resized(candidate: Guess, size: int, new: int) -> Guess:
    """The candidate with every axis of ``size`` changed to ``new``, batches aside."""
    return changed(
        candidate,
        lambda _, shape: (*shape[:1], *(new if s == size else s for s in shape[1:])),
    )


def changed(candidate: Guess, change: Change) -> Guess:
    """The candidate with the shapes that ``change`` returns for the number and the old shape."""
    numbers = iter(range(len(shapes_of(candidate))))

    def one(tensor: torch.Tensor) -> torch.Tensor:
        return empty(change(next(numbers), tuple(tensor.shape)), tensor.dtype)

    args, kwargs = mapped((candidate.args, dict(candidate.kwargs)), one)
    return replace(candidate, args=args, kwargs=kwargs)


def shapes_of(candidate: Guess) -> tuple[Shape, ...]:
    """The shapes of all tensors in the candidate."""
    held: Any = (candidate.args, dict(candidate.kwargs))
    return tuple(tuple(t.shape) for t in tensors(held))


def _batches(candidate: Guess, shapes: tuple[Shape, ...]) -> Iterator[Guess]:
    """One sample more, and a single one."""
    for samples in (shapes[0][0] + 1, 1) if shapes and shapes[0] else ():
        yield changed(candidate, _of_batch(samples))


def _videos(candidate: Guess, shapes: tuple[Shape, ...]) -> Iterator[Guess]:
    """Larger images of a video, whatever its number of frames is."""
    for number, shape in enumerate(shapes):
        if len(shape) == 5:
            yield changed(candidate, _doubled(number, 3, 4))


def _of_batch(samples: int) -> Change:
    return lambda _, shape: (samples, *shape[1:]) if shape else shape


def _of_other_types(candidate: Guess) -> Guess:
    """Whole numbers instead of floating ones, and the reverse."""

    def one(tensor: torch.Tensor) -> torch.Tensor:
        floating = tensor.is_floating_point()
        return empty(tuple(tensor.shape), torch.long if floating else torch.float32)

    args, kwargs = mapped((candidate.args, dict(candidate.kwargs)), one)
    return replace(candidate, args=args, kwargs=kwargs)


def _doubled(number: int, *axes: int) -> Change:
    def change(n: int, shape: Shape) -> Shape:
        if n != number:
            return shape
        return tuple(2 * size if axis in axes else size for axis, size in enumerate(shape))

    return change


def _ranks(candidate: Guess, shapes: tuple[Shape, ...]) -> Iterator[Guess]:
    """One axis more or fewer, in one of the tensors or in all."""
    for chosen in dict.fromkeys((-1, *range(len(shapes)))) if len(shapes) > 1 else (-1,):
        yield changed(candidate, _if(chosen, lambda s: (*s[:1], 2, *s[1:])))
        yield changed(candidate, _if(chosen, lambda s: (*s[:1], *s[2:]) if len(s) > 2 else s))


def _if(chosen: int, change: Callable[[Shape], Shape]) -> Change:
    return lambda number, shape: change(shape) if chosen in (-1, number) else shape
