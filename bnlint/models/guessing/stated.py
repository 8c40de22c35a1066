"""What a model says about its input: sizes among the arguments it was built with, or attributes.

``image_size=96`` fixes the input of a vision transformer, whose first layer says nothing of it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from bnlint.domain.graph import Shape
from bnlint.loading.sites import site_of

_SIZE = re.compile(r"(image|img)_?(size|res|resolution|shape|hw)s?|resolution|crop_size")
_INPUT = re.compile(r"(input|in)_?(size|res|resolution|shape|hw)")
_CHANNELS = re.compile(
    r"(n|num)?_?(in|input|image|img)?_?(chs?|chans?|channels?)|(in|img)_(c|nc)|c_in"
)
_LENGTH = re.compile(r"(seq|sequence|input|signal)_?(len|length)|n_times|(n|num)_(time_)?samples")
_FRAMES = re.compile(r"(n|num)?_?frames")
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Stated:
    """Sizes by their role; None where the model does not say.

    ``size`` is that of an image or volume. ``extent`` is that of one if the first layer is a
    convolution: an ``input_size`` may as well be a number of features.
    """

    size: Shape | None = None
    extent: Shape | None = None
    channels: int | None = None
    length: int | None = None
    frames: int | None = None

    def shapes(self, batch: int) -> Iterator[Shape]:
        """Whole inputs that what is stated makes up, likeliest first."""
        channels = self.channels or 3
        if self.size is not None:
            if self.frames is not None and len(self.size) == 2:
                yield (batch, channels, self.frames, *self.size)
            yield (batch, channels, *self.size)
        elif self.length is not None and self.channels is not None:
            yield (batch, self.channels, self.length)


def stated(model: nn.Module) -> Stated:
    """The sizes that the model was told, or keeps. Three may be channels (up to 4) and a size."""
    values = dict(_values(model))
    size, extent = _size(values, _SIZE), _size(values, _INPUT)
    channels = _whole(values, _CHANNELS)
    for image in (size, extent):
        if image is not None and len(image) == 3 and image[0] <= 4:
            size, channels = image[1:], image[0]
    length, frames = _whole(values, _LENGTH), _whole(values, _FRAMES)
    return Stated(size, size or extent, channels, length, frames)


def _values(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Names and values, the surest last."""
    site = site_of(model)
    if site is None or not site.arguments:
        yield from _defaults(model)
    yield from vars(model).items()
    if site is not None:
        yield from site.arguments


def _defaults(model: nn.Module) -> Iterator[tuple[str, Any]]:
    try:
        parameters = inspect.signature(type(model)).parameters.values()
    except (TypeError, ValueError):
        return
    yield from ((p.name, p.default) for p in parameters if p.default is not p.empty)


def _size(values: Mapping[str, Any], names: re.Pattern[str]) -> Shape | None:
    for name, value in values.items():
        if not names.fullmatch(name):
            continue
        entries = value if isinstance(value, (tuple, list)) else (value, value)
        if 1 < len(entries) <= 3 and all(map(_is_size, entries)):
            return tuple(entries)
    return None


def _whole(values: Mapping[str, Any], names: re.Pattern[str]) -> int | None:
    found = (v for name, v in values.items() if names.fullmatch(name) and _is_size(v))
    return next(found, None)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST
