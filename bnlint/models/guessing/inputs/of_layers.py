"""Inputs guessed from what a model says of them: its first layers and the sizes that it states.

A first layer fixes the rank and the channels. Sizes are stated by the arguments that the model was
built with, or by its attributes: ``image_size=96`` fixes the input of a vision transformer, whose
first layer says nothing about it. Batches hold two samples, because a batch norm in train mode
refuses one value per channel.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Shape
from bnlint.domain.objects import is_a
from bnlint.layers.table import axes_of
from bnlint.loading.sites import site_of
from bnlint.models.lexicon import (
    CONFIG,
    FRAMES,
    IMAGE_CHANNELS,
    IMAGE_HEIGHT,
    IMAGE_SIZE,
    IMAGE_WIDTH,
    INPUT_SIZE,
    LENGTH_NAMES,
    OF_WAVEFORMS,
    WIDTH,
    in_lower_case,
)

BATCH, LENGTH = 2, 16
_LARGEST = 4096
_SECOND = 16000
"""Samples of speech in a second."""
_SIZES = {
    1: ((128,), (1024,), (32,), (16000,), (100,)),
    2: tuple((s, s) for s in (224, 32, 64, 28, 128, 256, 96, 299, 512, 48, 84, 16)),
    3: ((16, 112, 112), (32, 32, 32), (64, 64, 64), (8, 64, 64), (96, 96, 96)),
}
_SMALL = {1: ((1,), (16,)), 2: ((1, 1), (4, 4), (8, 8), (32, 32)), 3: ((1, 1, 1), (4, 4, 4))}
_NORM = nn.modules.batchnorm._NormBase
_ENTRIES = (
    *(nn.modules.conv._ConvNd, _NORM, nn.Linear, nn.Bilinear, nn.Embedding, nn.EmbeddingBag),
    *(nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase),
)

Spec = tuple[Shape, torch.dtype]


@dataclass(frozen=True, slots=True)
class Stated:
    """Stated sizes by their role; None if the model does not state one.

    ``size`` is that of an image or volume. ``extent`` is one only if the first layer is a
    convolution, because an ``input_size`` may also be a number of features.
    """

    size: Shape | None = None
    extent: Shape | None = None
    channels: int | None = None
    length: int | None = None
    frames: int | None = None

    def or_image(self, size: Shape | None) -> Stated:
        """These sizes, with that of the data's images where the model states none."""
        return self if size is None or self.extent is not None else replace(self, extent=size)

    def shapes(self, batch: int) -> Iterator[Shape]:
        """Shapes of whole inputs with the stated sizes, likeliest first."""
        channels = self.channels or 3
        if self.size is not None:
            if self.frames is not None and len(self.size) == 2:
                yield (batch, channels, self.frames, *self.size)
            yield (batch, channels, *self.size)
        elif self.length is not None and self.channels is not None:
            yield (batch, self.channels, self.length)

    def of_anything(self, batch: int) -> Iterator[Shape]:
        """Shapes for an input of which nothing else is known: an image, signals, rows."""
        yield (batch, self.channels or 3, *(self.size or self.extent or (WIDTH, WIDTH))[-2:])
        yield (batch, self.channels or LENGTH, self.length or WIDTH)
        yield (batch, WIDTH)


def stated(model: nn.Module) -> Stated:
    """The sizes that the model was built with or keeps; of three, the first may be channels."""
    values = {in_lower_case(name): value for name, value in _values(model)}
    size, extent = _size_named(values, IMAGE_SIZE), _size_named(values, INPUT_SIZE)
    size = _sides(values) or size
    channels = _number_named(values, IMAGE_CHANNELS)
    for image in (size, extent):
        if image is not None and len(image) == 3 and image[0] <= 4:
            channels = image[0]
            size = image[1:] if size is None or image is size else size
    length, frames = _number_named(values, LENGTH_NAMES), _number_named(values, FRAMES)
    return Stated(size, size or extent, channels, length, frames)


def numbers_stated(model: nn.Module) -> tuple[int, ...]:
    """The whole numbers above one that the model was built with or keeps, in their order."""
    found = (value for _, value in _values(model) if _is_size(value) and value > 1)
    return tuple(dict.fromkeys(found))


def _values(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Names and values that may state a size, the most certain last."""
    site = site_of(model)
    if site is None or not site.arguments:
        with contextlib.suppress(TypeError, ValueError):
            parameters = inspect.signature(type(model)).parameters.values()
            yield from [(p.name, p.default) for p in parameters if p.default is not p.empty]
    for name, value in vars(model).items():
        if not name.startswith("_"):
            yield from _settings_in(name, value)
        yield name, value
    if site is not None:
        yield from site.arguments


def _settings_in(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The settings of a dict or object, or of the first of a list of blocks: the whole network's.

    Their names may be written in capitals.
    """
    first = value[0] if type(value) is list and value else value
    settings: Mapping[Any, Any] = first if type(first) is dict else {}
    if CONFIG.fullmatch(name) and not is_a(first, (dict, nn.Module, torch.Tensor)):
        of_class = first if isinstance(first, type) else type(first)
        settings = {**vars(of_class), **getattr(first, "__dict__", {})}
    elif is_a(first, dict):
        settings = first
    yield from ((k.lower(), _as_number(v)) for k, v in settings.items() if type(k) is str)


def _as_number(value: Any) -> Any:
    """The number that a text is, as settings read from a file are."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _size_named(values: Mapping[str, Any], names: re.Pattern[str]) -> Shape | None:
    for value in (v for name, v in values.items() if names.fullmatch(name)):
        entries = value if isinstance(value, (tuple, list)) else (value, value)
        if 1 < len(entries) <= 3 and all(map(_is_size, entries)):
            return tuple(entries)
    return None


def _sides(values: Mapping[str, Any]) -> Shape | None:
    """The size that two numbers state, one for each side."""
    sides = _number_named(values, IMAGE_HEIGHT), _number_named(values, IMAGE_WIDTH)
    return None if None in sides else tuple(side for side in sides if side is not None)


def _number_named(values: Mapping[str, Any], names: re.Pattern[str]) -> int | None:
    found = (v for name, v in values.items() if names.fullmatch(name) and _is_size(v))
    return next(found, None)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST


def entry_of(model: nn.Module) -> nn.Module | None:
    """The first layer that fixes an input's shape; what reads a waveform or image before others."""
    hearing = (m for m in model.modules() if type(m).__name__ in OF_WAVEFORMS)
    if (audio := next(hearing, None)) is not None:
        return audio
    entries = [m for m in model.modules() if isinstance(m, _ENTRIES)]
    if entries and isinstance(entries[0], (nn.Linear, _NORM)):
        images = (m for m in entries if isinstance(m, nn.Conv2d) and m.in_channels in (1, 3))
        return next(images, entries[0])
    return entries[0] if entries else None


def specs_of(entry: nn.Module, model: nn.Module, known: Stated) -> list[Spec]:
    """Shapes and dtypes that may suit the layer ``entry`` of a model, likeliest first."""
    shapes: Iterable[Shape]
    length = known.length or LENGTH
    if type(entry).__name__ in OF_WAVEFORMS:
        return [((BATCH, *lead, _SECOND), torch.float32) for lead in ((), (1,))]
    if isinstance(entry, (nn.Embedding, nn.EmbeddingBag)):
        return [((BATCH, length), torch.long), ((BATCH,), torch.long)]
    if isinstance(entry, (nn.Linear, nn.Bilinear)):
        shapes = _of_linear(entry, model, known)
    elif isinstance(entry, nn.RNNBase):
        shapes = [(BATCH, length, entry.input_size)]
    elif isinstance(entry, nn.RNNCellBase):
        shapes = [(BATCH, entry.input_size)]
    elif isinstance(entry, nn.MultiheadAttention):
        shapes = [(BATCH, length, entry.embed_dim)]
    else:
        shapes = _of_spatial(entry, known)
    return [(shape, torch.float32) for shape in shapes]


def _of_linear(entry: nn.Linear | nn.Bilinear, model: nn.Module, known: Stated) -> Iterator[Shape]:
    yield from known.shapes(BATCH)
    width = (entry.in_features if isinstance(entry, nn.Linear) else entry.in1_features) or WIDTH
    flat, sequence = (BATCH, width), (BATCH, known.length or LENGTH, width)
    deep = any(isinstance(m, (nn.MultiheadAttention, nn.LayerNorm)) for m in model.modules())
    yield from (sequence, flat) if deep else (flat, sequence)
    for channels in (1, 3):  # an image that the model flattens itself
        side = round((width / channels) ** 0.5)
        if side > 1 and channels * side * side == width:
            yield (BATCH, channels, side, side)


def _of_spatial(entry: nn.Module, known: Stated) -> Iterator[Shape]:
    rank = axes_of(entry)
    own = getattr(entry, "in_channels", 0) or getattr(entry, "num_features", 0)
    channels = own or known.channels or 3
    size = (known.length,) if rank == 1 and known.length else known.extent
    if size is not None and len(size) == rank:  # as the first convolution takes it
        yield (BATCH, channels, *size)
    else:
        yield from known.shapes(BATCH)
    if isinstance(entry, nn.BatchNorm1d):
        yield (BATCH, channels)
    transposed = isinstance(entry, nn.modules.conv._ConvTransposeNd)
    sizes = _SMALL[rank] if transposed else _sizes(rank, channels)
    yield from ((BATCH, channels, *size) for size in sizes)


def _sizes(rank: int, channels: int) -> tuple[Shape, ...]:
    """Likely sizes: digits for one channel, features rather than images for many."""
    sizes = _SIZES[rank or 2]  # 0: a norm of any rank
    if rank != 2 or channels in (2, 3):
        return sizes
    first = tuple((s, s) for s in {1: (28, 32), 4: (84,)}.get(channels, (32, 64)))
    return (*first, *(s for s in sizes if s not in first))
