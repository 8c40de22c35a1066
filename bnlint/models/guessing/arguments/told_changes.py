"""What an error says of a guessed argument, and how that is changed for another try."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from bnlint.models.guessing.arguments.blamed import Blame
from bnlint.models.guessing.arguments.of_parameter_use import array_for
from bnlint.models.guessing.arguments.revising import NOT_GUESSED
from bnlint.models.lexicon import WIDTH, layer_type

_CLASSES = (nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.Identity)

_SOME = 4
"""In place of a default that is no size, such as -1."""

Change = Callable[[Any, Blame, str], Any]
"""A new value for a guessed one, by the expression that failed and the error's text."""


def is_number(value: Any) -> bool:
    """True for a number that is no flag."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _to_list(current: Any, fault: Blame, text: str) -> Any:
    if isinstance(current, (list, tuple, dict)) or (
        fault.value is not None and isinstance(fault.value, (list, tuple, dict, nn.Module))
    ):
        return NOT_GUESSED
    value = current if is_number(current) else WIDTH
    return [WIDTH if value == 3 else value if value > 0 else _SOME] * 4


def _to_array(current: Any, fault: Blame, text: str) -> Any:
    return array_for(fault.paths[0][-1]) if current is None or is_number(current) else NOT_GUESSED


def _to_number(current: Any, fault: Blame, text: str) -> Any:
    if isinstance(current, (list, tuple)) and current:
        return current[0]
    return WIDTH if current is None or isinstance(current, (str, bool, type)) else NOT_GUESSED


def _to_callable(current: Any, fault: Blame, text: str) -> Any:
    if callable(current):
        others = [c for c in _CLASSES if c is not current]
        return others[0]
    return layer_type(fault.paths[0][-1].lower()) or nn.BatchNorm2d


def _to_word(current: Any, fault: Blame, text: str) -> Any:
    return NOT_GUESSED if isinstance(current, str) else "relu"


def _to_mapping(current: Any, fault: Blame, text: str) -> Any:
    return NOT_GUESSED if isinstance(current, dict) else {}


def _larger(current: Any, fault: Blame, text: str) -> Any:
    """The next of the usual sizes; the numbers before it were tried."""
    if isinstance(current, (list, tuple)) and current and all(map(is_number, current)):
        return [WIDTH if max(current) < WIDTH else 2 * max(current)] * len(current)
    if not is_number(current):
        return NOT_GUESSED
    return WIDTH if current < WIDTH else 2 * current if current < 1024 else NOT_GUESSED


def _longer(current: Any, fault: Blame, text: str) -> Any:
    if not isinstance(current, (list, tuple)) or not current or len(current) > 16:
        return NOT_GUESSED
    return [*current, *[current[-1]] * max(1, len(current))]


def _as_long(current: Any, fault: Blame, text: str) -> Any:
    """As many items as are unpacked, or axes where that was the shape of a tensor."""
    count = int(found[1]) if (found := re.search(r"expected (\d+)", text)) else 2
    if isinstance(current, torch.Tensor):
        alike = count == current.ndim
        return NOT_GUESSED if alike else current.new_empty(3, *[WIDTH] * (count - 1))
    if isinstance(current, (list, tuple)) and current:
        return ([*current] * count)[:count]
    return [current if is_number(current) else WIDTH] * count


CHANGES: tuple[tuple[str, Change], ...] = (
    (r"values to unpack", _as_long),
    (r"object is not (subscriptable|iterable|reversible)|has no len\(\)", _to_list),
    (r"must be an iterable|must be iterable|zip argument|not an iterator", _to_list),
    (
        r"'(int|float|bool|str|NoneType)' object has no attribute '(append|copy|index|pop)'",
        _to_list,
    ),
    (r"object has no attribute '(shape|ndim|astype|size|dim|numpy|unsqueeze)'", _to_array),
    (r"object is not callable|missing \d+ required|unexpected keyword argument", _to_callable),
    (r"takes .*positional argument", _to_callable),
    (r"no attribute '(lower|upper|startswith|split|strip|endswith)'", _to_word),
    (r"attribute name must be string|must be str", _to_word),
    (r"no attribute '(items|keys|values|get)'|must be a mapping", _to_mapping),
    (r"cannot be interpreted as an integer|unsupported operand|can't multiply", _to_number),
    (r"not supported between|must be (an )?int|must be real|invalid combination", _to_number),
    (r"can only concatenate|must be .*not (list|tuple|str)", _to_number),
    (r"IndexError|out of range", _longer),
    (r"divisible|ZeroDivision|negative|must be (positive|greater|non-?zero|>)|at least", _larger),
    (r"range\(\) arg|positive|empty", _larger),
)
"""What an error says, and how a guess that it is about is changed."""
