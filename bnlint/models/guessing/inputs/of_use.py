"""Values for an argument of a forward, guessed from what the forward does with it."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Shape
from bnlint.domain.objects import home_of
from bnlint.models.guessing.guess import Holder, empty
from bnlint.models.guessing.inputs.asked import Asked
from bnlint.models.guessing.inputs.of_layers import BATCH, LENGTH, Stated, entry_of, specs_of
from bnlint.models.lexicon import (
    ADJACENCY,
    BOUNDS,
    COEFFICIENTS,
    DEVICES,
    EDGES,
    LENGTHS,
    MASKS,
    OFFSETS,
    ON_GPU,
    OWNERS,
    SWITCHES,
    TARGETS,
    TIMES,
    TRAINING,
    WIDTH,
)
from bnlint.models.reading.use import Use, word_of

_BY_RANK: dict[int, Shape] = {
    0: (),
    1: (BATCH,),
    2: (BATCH, WIDTH),
    3: (BATCH, LENGTH, WIDTH),
    4: (BATCH, 3, WIDTH, WIDTH),
    5: (BATCH, 4, 3, WIDTH, WIDTH),
}
_OPTIONS = 12
_LOSSES = frozenset({"cross_entropy", "nll_loss", "criterion", "loss"})
_LOOKUPS = frozenset({"embedding", "one_hot", "embedding_bag"})
_TAKE_INDICES = frozenset({"index_select", "gather", "take_along_dim"})
"""Functions that look up their first argument, and those that take indices after their data."""


def values_of(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    """Values that may suit the argument, likeliest first; empty if nothing is known of it."""
    return _plain(asked) or _containers(asked, model, sizes) or _tensors(asked, model, sizes)


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
    if use.attributes and not use.tensor and not use.readers:
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
    if use.readers:
        return 0
    if use.length:
        return use.length
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
    if BOUNDS.fullmatch(asked.name.lower()):  # of sequences packed into one: here a single one
        return [torch.tensor([0, BATCH], dtype=torch.int32)]
    if found := _special(asked):
        return found
    use = asked.use
    for module, place in use.readers:
        if known := _by_place(module, place):
            return known
    tensors = _from_readers(asked, model, sizes)
    least = use.least_rank if use.least_rank > 1 else None  # all tensors have an axis of samples
    rank = use.rank if use.rank is not None or tensors else least
    if rank is None:
        return [t for t in tensors if t.ndim >= use.least_rank] or tensors
    if use.readers and not tensors and (entry := entry_of(model)) is not None:
        tensors = [empty(*spec) for spec in specs_of(entry, model, sizes)]
    alike = [t for t in tensors if t.ndim == rank]
    filler = empty(_BY_RANK.get(rank, (BATCH,) * rank))
    return alike if alike and _speaks_of_rank(use) else [filler, *alike]


def _speaks_of_rank(use: Use) -> bool:
    """False if a linear layer is all that reads an image: it doesn't say how large that is."""
    return use.rank != 4 or not any(isinstance(entry_of(m), nn.Linear) for m, _ in use.readers)


def _from_readers(asked: Asked, model: nn.Module, sizes: Stated) -> list[Any]:
    use = asked.use
    first = [module for module, place in use.readers if place in (0, "x", "input")]
    first.sort(key=lambda module: entry_of(module) is not module)  # layers of torch are sure
    for module in (*first, *(m for m, _ in use.readers), *use.mixers):
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


def _by_place(module: nn.Module, place: int | str) -> list[Any]:
    """What a layer of torch takes besides its input: states, masks and targets."""
    state = place in (1, "hx", "1.part", "h_0")
    if isinstance(module, nn.RNNBase) and state:
        layers = module.num_layers * (2 if module.bidirectional else 1)
        return _states((layers, BATCH, module.hidden_size), module, place)
    if isinstance(module, nn.RNNCellBase) and state:
        return _states((BATCH, module.hidden_size), module, place)
    if isinstance(module, (nn.CrossEntropyLoss, nn.NLLLoss)) and place in (1, "target"):
        return [empty((BATCH,), torch.long), empty((BATCH, 224, 224), torch.long)]
    name = _parameter(module, place)
    batch, length = BATCH, LENGTH
    if not getattr(module, "batch_first", False):
        batch, length = LENGTH, BATCH  # how a batch is understood that other guesses put first
    if name.endswith("key_padding_mask"):
        return [empty((batch, length), torch.bool)]
    if name in ("mask", "attn_mask", "src_mask", "tgt_mask", "memory_mask"):
        return [empty((length, length), torch.bool)]
    return []


def _states(shape: Shape, module: nn.Module, place: int | str) -> list[Any]:
    pair = isinstance(module, (nn.LSTM, nn.LSTMCell)) and place != "1.part"
    return [(empty(shape), empty(shape)) if pair else empty(shape)]


def _parameter(module: nn.Module, place: int | str) -> str:
    """The name of an argument of torch's own layers."""
    if not home_of(type(module)).startswith("torch."):
        return ""
    names = list(inspect.signature(module.forward).parameters)
    return names[place] if isinstance(place, int) and place < len(names) else str(place)


def _special(asked: Asked) -> list[Any]:
    """What is recognized by its name or by a function that takes it."""
    name, use = asked.name.lower(), asked.use
    if EDGES.fullmatch(name):
        return [empty((2, 2 * LENGTH), torch.long)]
    if TIMES.fullmatch(name) and (use.rank or use.least_rank) < 2 and not _is_a_vector(use):
        return [empty((BATCH,), torch.long), empty((BATCH,))]
    packs = any(("pack_padded_sequence", place) in use.functions for place in (1, "lengths"))
    if use.readers and not packs:
        return []
    if packs or LENGTHS.fullmatch(name):
        batch, length = (LENGTH, BATCH) if use.time_first else (BATCH, LENGTH)
        rank = max(1, use.rank or use.least_rank)
        return [torch.full((batch, *(1,) * (rank - 1)), length)]
    called = {function for function, _ in use.functions}
    if called & _LOSSES:
        return [empty((BATCH,), torch.long)]
    if any(isinstance(module, nn.Embedding) for module in use.mixers):
        called.add("embedding")
    if use.mixers and not called & _LOOKUPS:
        return []
    indices = {function for function, place in use.functions if place not in (0, "input")}
    if "index_select" in indices or ("subscript" in indices and use.tensor):
        return [empty((BATCH,), torch.long)]
    if called & _LOOKUPS or indices & _TAKE_INDICES:
        shape = _BY_RANK[use.rank] if use.rank in (1, 2) else (BATCH, LENGTH)
        return [empty(shape, torch.long), empty((BATCH,), torch.long)]
    return _by_name(name, use)


def _is_a_vector(use: Use) -> bool:
    """True if a linear layer itself reads the input, without an embedding before it."""
    read = (m[0] if isinstance(m, nn.Sequential) and len(m) else m for m, _ in use.readers)
    return any(isinstance(module, nn.Linear) and module.in_features > 1 for module in read)


def _by_name(name: str, use: Use) -> list[Any]:
    """What no layer reads straight away: graphs, masks, targets."""
    if ADJACENCY.fullmatch(name):
        return [empty((BATCH, BATCH)), empty((LENGTH, LENGTH))]
    if OWNERS.fullmatch(name) and not use.tensor:
        return [empty((LENGTH,), torch.long)]
    if MASKS.fullmatch(name):
        return [empty(_BY_RANK.get(use.rank or 2, (BATCH, LENGTH)), torch.bool)]
    if TARGETS.fullmatch(name) and not (use.functions or use.rank or use.least_rank):
        return [empty((BATCH,), torch.long)]
    return []
