"""Values for an argument of a forward, guessed from what the forward does with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from bnlint.models.guessing.guess import Holder, empty
from bnlint.models.guessing.inputs.asked import Asked
from bnlint.models.guessing.inputs.of_layers import BATCH, LENGTH, Stated, entry_of, specs_of
from bnlint.models.guessing.inputs.of_own_class import made, parts_of
from bnlint.models.guessing.inputs.recognized_inputs import BY_RANK, by_place, special
from bnlint.models.lexicon import (
    BOUNDS,
    COEFFICIENTS,
    DEVICES,
    EDGES,
    OFFSETS,
    ON_GPU,
    SWITCHES,
    TIMES,
    TRAINING,
    WIDTH,
)
from bnlint.models.reading.use import Use, word_of

_OPTIONS = 12

_PIECES = 4
"""The size of an axis along which a forward goes piece by piece."""


def values_of(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    """Values that may suit the argument, likeliest first; empty if nothing is known of it."""
    return (
        _of_own_class(asked, model, sizes)
        or _plain(asked)
        or _containers(asked, model, sizes)
        or _tensors(asked, model, sizes)
    )


def _of_own_class(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    """Objects of the class that an annotation names, if they have what is read of them."""
    parts, use = parts_of(asked.hint), asked.use
    if not parts or any(
        name not in parts and not hasattr(asked.hint, name) for name in use.attributes
    ):
        return []
    held = {
        name: values_of(Asked(name, _part(use, name, place), hint), model, sizes)
        for place, (name, hint) in enumerate(parts.items())
    }
    filled = {name: found or [empty((BATCH, 3, WIDTH, WIDTH))] for name, found in held.items()}
    return [each for values in _zipped(filled) for each in made(asked.hint, values)]


def _part(use: Use, name: str, place: int) -> Use:
    """What is known of a part that is read by its name, by a key or by its place."""
    return use.attributes.get(name) or use.items.get(name) or use.items.get(place) or Use()


def _plain(asked: Asked) -> list[Any]:
    """Numbers, words and flags."""
    use, name = asked.use, asked.name.lower()
    words = [v for v in use.literals if isinstance(v, str)]
    if (words and not use.keys) or asked.is_called(str):
        return list(dict.fromkeys(words)) or [""]
    if DEVICES.fullmatch(name):
        return [torch.device("meta")]
    if _is_coefficient(asked):
        return [0.5]
    given = not (use.tensor or use.readers)  # what is taken for a tensor may be called an int
    whole = use.counts or (asked.is_called(int) and (given or not use.mixers))
    if not whole and (use.tensor or use.readers or use.items):
        return []
    if use.offset or (whole and OFFSETS.fullmatch(name)):
        return [0, 2]
    if whole:
        return [2]
    if use.mixers:
        return []
    numbers = [v for v in use.literals if type(v) in (int, float)]
    if _is_switch(asked):
        first = TRAINING.fullmatch(name) is not None
        return [first, not first]
    if numbers and not use.functions and not TIMES.fullmatch(name):
        return list(dict.fromkeys(numbers))
    return []


def _is_coefficient(asked: Asked) -> bool:
    """True for a number by its annotation or its name, where nothing asks for axes or items."""
    name, use = asked.name.lower(), asked.use
    if asked.is_called(float):
        return not (use.tensor or use.readers or use.items or use.counts or use.mixers)
    computed = all(function == "arithmetic" for function, _ in use.functions)
    plain = computed and not (use.tensor or use.rank or use.items or use.readers)
    return plain and COEFFICIENTS.fullmatch(name) is not None


def _is_switch(asked: Asked) -> bool:
    """True for what is true or false: by its annotation, its name, or because it is tested."""
    name, use = asked.name.lower(), asked.use
    if asked.is_called(bool) or ON_GPU.fullmatch(name):
        return True
    return (use.flag or SWITCHES.fullmatch(name) is not None) and not use.functions


def _containers(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    """Dicts, lists, tuples, and objects with attributes."""
    use = asked.use

    def inner(name: str, item: Use) -> list[Any]:
        return values_of(Asked(name, item), model, sizes) or [empty((BATCH, 3, WIDTH, WIDTH))]

    if use.keys:
        sure = [key for key in use.keys if key not in use.literals]  # not: if "mask" in batch
        return _zipped({key: inner(word_of(key), use.items[key]) for key in sure or use.keys})
    if use.attributes and not (use.tensor or use.readers or "batch_sizes" in use.attributes):
        held = {name: inner(name, item) for name, item in use.attributes.items()}
        return [Holder(**value) for value in _zipped(held)]
    count = _length(asked)
    if count == 0 or EDGES.fullmatch(asked.name.lower()):
        return []
    shared = use.items.get(0) or next(iter(use.items.values()), Use())
    items = {
        i: inner(asked.name, use.items.get(i, use.items.get(i - count, shared)))
        for i in range(count)
    }
    return [list(value.values()) for value in _zipped(items)]


def _length(asked: Asked) -> int:
    """The number of items of a list or tuple of tensors; 0 for a tensor."""
    use = asked.use
    numbers = [key for key in use.items if isinstance(key, int)]
    if use.tensor or use.rank or use.least_rank:
        return 0
    if (count := asked.items_annotated) > 0:
        return use.length or max((count, *(n + 1 for n in numbers)))
    if use.length:
        return use.length
    if use.readers:
        return 0
    if use.iterated or len(numbers) > 1 or -1 in numbers:
        return max(2, *(n + 1 if n >= 0 else -n for n in numbers), 2)
    return 0


def _zipped(options: dict[Any, list[Any]]) -> list[dict[Any, Any]]:
    count = max(map(len, options.values()))
    return [
        {key: values[min(i, len(values) - 1)] for key, values in options.items()}
        for i in range(min(count, _OPTIONS))
    ]


def _tensors(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    found = _plain_tensors(asked, model, sizes)
    if not asked.use.complex:
        return found
    return [t.to(torch.complex64) if t.is_floating_point() else t for t in found]


def _plain_tensors(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    if BOUNDS.fullmatch(asked.name.lower()):  # of sequences packed into one: here a single one
        return [torch.tensor([0, BATCH], dtype=torch.int32)]
    use = asked.use
    if asked.is_called(PackedSequence) or "batch_sizes" in use.attributes:
        return _packed(_from_readers(asked, model, sizes) or [empty((BATCH, WIDTH))])
    if found := special(asked):
        return found
    for module, place in use.readers:
        if known := by_place(module, place):
            return known
    tensors = _of_pieces(asked, model, sizes) or _from_readers(asked, model, sizes)
    least = use.least_rank if use.least_rank > 1 else None  # all tensors have an axis of samples
    rank = use.rank if use.rank is not None or tensors else least
    if rank is None:
        return [t for t in tensors if t.ndim >= use.least_rank] or tensors
    if use.readers and not tensors and (entry := entry_of(model)) is not None:
        tensors = [empty(*spec) for spec in specs_of(entry, model, sizes)]
    alike = [t for t in tensors if t.ndim == rank]
    filler = empty(BY_RANK.get(rank, (BATCH,) * rank))
    return alike if alike and _speaks_of_rank(use) else [filler, *alike]


def _of_pieces(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    """Tensors of which layers take one piece after the other, such as the frames of a video."""
    if asked.use.readers:
        return []
    for axis, use in asked.use.pieces.items():
        tables = any(isinstance(entry_of(m), nn.Embedding) for m, _ in use.readers)
        whole = [] if tables else _from_readers(Asked(asked.name, use), model, sizes)
        if whole:
            pieces = [t for t in whole if t.ndim >= max(axis, use.least_rank)]
            return [torch.stack([t] * _PIECES, axis) for t in pieces]
    return []


def _packed(rows: list[Any]) -> list[Any]:
    """Sequences of one length packed into one, each step like a row of a tensor."""
    like = rows[0]
    shape = like.shape[2:] if like.ndim > 2 or not like.is_floating_point() else like.shape[1:]
    data = empty((BATCH * LENGTH, *shape), like.dtype)
    return [PackedSequence(data, torch.full((LENGTH,), BATCH))]


def _speaks_of_rank(use: Use) -> bool:
    """False if a linear layer is all that reads an image: it doesn't say how large that is."""
    return use.rank != 4 or not any(isinstance(entry_of(m), nn.Linear) for m, _ in use.readers)


def _from_readers(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    use = asked.use
    first = [module for module, place in use.readers if place in (0, "x", "input")]
    first.sort(key=lambda module: entry_of(module) is not module)  # layers of torch are sure
    pieces = [m for p in use.pieces.values() for m in (*(m for m, _ in p.readers), *p.mixers)]
    for module in (*first, *(m for m, _ in use.readers), *use.mixers, *pieces):
        if (entry := entry_of(module)) is not None:
            return [empty(*spec) for spec in specs_of(entry, model, sizes)]
        if found := of_own_weight(module):
            return found
    return []


def of_own_weight(module: nn.Module) -> list[Any]:
    """Inputs for the weight of a linear layer or a convolution that the user wrote."""
    weight = next((p for p in module.parameters() if p.ndim > 1), None)
    if weight is None or not 2 <= weight.ndim <= 5:
        return []
    sizes = ((), (128,), (WIDTH, WIDTH), (LENGTH, WIDTH, WIDTH))[weight.ndim - 2]
    return [empty((BATCH, weight.shape[1], *sizes))]
