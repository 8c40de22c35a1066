"""What the texts of torch's errors say about the inputs that it wants instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

import torch

_WHOLE = re.compile(
    r"following scalar types: Long, Int|of type LongTensor|must be long, int|"
    r"[Ee]xpected dtype int|dtype int64 for index|expected scalar type Long|"
    r"[Ii]ndex tensor must be|to be LongTensor|only integer tensors of a single element"
)
_TRUTH = re.compile(
    r"predicate to be bool|boolean masks|to be a boolean|only supports bool|"
    r"must be bool|bool(ean)? tensor|expected condition to be a bool"
)
_FLOAT = re.compile(
    r"expected scalar type (Float|Half|Double)|must be floating point|must have the same dtype|"
    r"weight type|floating point or complex|expected m1 and m2|but found Long|"
    r"[Oo]nly Tensors of floating"
)
_TOO_SMALL = re.compile(
    r"less than the corresponding input|can't be greater than actual|[Oo]utput size is too small|"
    r"n_fft <|too small|0 < n_fft|non-zero (size|number)|maximum size for tensor at dim|"
    r"[Cc]alculated output size"
)
_NEEDS_VALUES = re.compile(r"meta tensor|Meta tensor|register_meta|on meta|meta device")

_AXES: tuple[tuple[re.Pattern[str], Callable[..., int]], ...] = (
    (
        re.compile(r"expected to be in range of \[(-?\d+), (-?\d+)\], but got (-?\d+)"),
        lambda low, high, got: got - high if got > high else low - got,
    ),
    (re.compile(r"input\.dim\(\) = (\d+) is not equal to len\(dims\) = (\d+)"), lambda a, b: b - a),
    (re.compile(r"rong shape: expected (?:>=\s?)?(\d+) dims\. Received (\d+)-dim"), int.__sub__),
    (re.compile(r"not enough values to unpack \(expected (\d+), got (\d+)\)"), int.__sub__),
    (re.compile(r"expected a (?:\dD or )?(\d)D tensor,? but got (\d)D"), int.__sub__),
    (
        re.compile(r"number of sizes provided \((\d+)\).*dimensions in the tensor \((\d+)\)"),
        int.__sub__,
    ),
    (re.compile(r"too many values to unpack \(expected \d+\)"), lambda: -1),
    (
        re.compile(r"(?:tuple|list assignment) index out of range|iteration over a 0-d tensor"),
        lambda: 1,
    ),
)


_SPATIAL = re.compile(r"spatial dimensions of \[([\d, ]*)\] and output size of \D*\[?([\d, ]+)")
_CHUNKS = re.compile(r"divide axis of length (\d+) in chunks of (\d+)")


def chunked(text: str) -> tuple[int, int] | None:
    """The size of an axis that does not divide, and the least multiple of it that does."""
    found = _CHUNKS.search(text)
    return (int(found[1]), math.lcm(int(found[1]), int(found[2]))) if found else None


def more_axes(text: str) -> int:
    """How many axes more a tensor must have; 0 if the error says nothing of it."""
    for pattern, difference in _AXES:
        if found := pattern.search(text):
            return difference(*_numbers(found))
    if found := _SPATIAL.search(text):
        own, wanted = (len(re.findall(r"\d+", sizes)) for sizes in found.groups())
        return wanted - own
    return 0


def _numbers(found: re.Match[str]) -> Iterator[int]:
    return (int(group) for group in found.groups() if group.lstrip("-").isdigit())


def wanted_type(text: str) -> torch.dtype | None:
    """The type that an operation asks for; None if the error says nothing of it."""
    if _WHOLE.search(text):
        return torch.long
    if _TRUTH.search(text):
        return torch.bool
    return torch.float32 if _FLOAT.search(text) else None


def is_too_small(text: str) -> bool:
    """True if a kernel, a window or a padding is larger than its input."""
    return _TOO_SMALL.search(text) is not None


def needs_values(text: str) -> bool:
    """True if the operation cannot run without numbers, whatever the shapes are."""
    return _NEEDS_VALUES.search(text) is not None
