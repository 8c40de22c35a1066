"""Other values for guessed arguments, where the model is built but its forward fails.

The error names numbers that should be equal: an argument that has one of them gets the other one.
Then each argument gets the usual values one after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from bnlint.models.guessing.arguments.revising import (
    NOT_GUESSED,
    current_value,
    guessed_paths,
    revised,
)
from bnlint.models.guessing.guess import Guess
from bnlint.models.lexicon import WIDTH

_USUAL = (WIDTH, 1, 2, 3, 4, 8, 16, 32, 2 * WIDTH, 10)
"""Values that are tried for a number, whatever it means."""

_LENGTHS = (1, 2, 3, 4, 5)
"""Lengths that are tried for a list."""

_SIDES = (84, 224)
"""Sides that are tried for the shape of an image, of which too little was left."""


def alternatives(guess: Guess, conflict: tuple[int, int] | None) -> Iterator[Guess]:
    """Calls that differ from ``guess`` in one guessed argument, likeliest first.

    ``conflict`` holds the two numbers that the error says should be one.
    """
    values = {path: current_value(guess, path) for path in guessed_paths(guess)}
    values = {path: value for path, value in values.items() if value is not NOT_GUESSED}
    for path, value in values.items():
        for other in _matching(value, conflict) if conflict else ():
            yield revised(guess, path, other)
    for path, value in values.items():
        for other in _parts_of_sum(value, conflict) if conflict else ():
            yield revised(guess, path, other)
    options = [[(path, other) for other in _others(value)] for path, value in values.items()]
    for turn in itertools.zip_longest(*options):
        for path, other in filter(None, turn):
            yield revised(guess, path, other)


def _matching(value: Any, conflict: tuple[int, int]) -> Iterator[Any]:
    """Values for which one of the numbers becomes the other, as far as it depends on them."""
    if isinstance(value, (list, tuple)):
        yield from _with_another_entry(value, conflict)
        if value and all(entry == value[0] for entry in value):
            yield from ([other] * len(value) for other in _matching(value[0], conflict))
    elif isinstance(value, torch.Tensor):
        yield from map(value.new_empty, _with_another_entry(value.shape, conflict))
    elif type(value) is int and min(value, *conflict) > 0:
        yield from _scaled(value, *conflict)
        yield from _scaled(value, *reversed(conflict))


def _parts_of_sum(value: Any, conflict: tuple[int, int]) -> Iterator[int]:
    """Values for which the numbers become the same if it is one part of what is joined."""
    apart = abs(conflict[0] - conflict[1])
    if type(value) is int and min(value - 1, *conflict) > 0:
        yield from (other for other in (value + apart, value - apart) if other > 0)


def _with_another_entry(values: Sequence[Any], conflict: tuple[int, int]) -> Iterator[list[Any]]:
    for place, entry in enumerate(values):
        for other in _matching(entry, conflict):
            yield [*values[:place], other, *values[place + 1 :]]


def _scaled(value: int, got: int, wanted: int) -> Iterator[int]:
    """The value for which what is ``got`` of it, a multiple or a part, becomes ``wanted``."""
    if got % value == 0 and wanted % (got // value) == 0:
        yield wanted // (got // value)
    elif value % got == 0:
        yield wanted * (value // got)


def _others(value: Any) -> Iterator[Any]:
    """The usual values for an argument of this kind."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (other for other in _USUAL if other != value)
    elif isinstance(value, float):
        yield from (other for other in (0.5, 1.0, 2.0) if other != value)
    elif isinstance(value, (list, tuple)) and value:
        if len(value) == 3 and value[0] != value[1] == value[2]:
            yield from ([value[0], side, side] for side in _SIDES if side != value[1])
        for length in _LENGTHS:
            if length != len(value):
                yield [*itertools.islice(itertools.cycle(value), length)]
    elif value is None:
        yield WIDTH
