"""Inputs that are recognized by their name, by their place in a layer, or by what takes them."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Shape
from bnlint.domain.objects import home_of
from bnlint.models.guessing.guess import empty
from bnlint.models.guessing.inputs.asked import Asked
from bnlint.models.guessing.inputs.of_layers import BATCH, LENGTH
from bnlint.models.lexicon import (
    ADJACENCY,
    EDGES,
    LENGTHS,
    MASKS,
    OWNERS,
    TARGETS,
    TIMES,
    WIDTH,
)
from bnlint.models.reading.use import Use

BY_RANK: dict[int, Shape] = {
    0: (),
    1: (BATCH,),
    2: (BATCH, WIDTH),
    3: (BATCH, LENGTH, WIDTH),
    4: (BATCH, 3, WIDTH, WIDTH),
    5: (BATCH, 4, 3, WIDTH, WIDTH),
}
"""A shape of each rank, where nothing else is known."""

_LOSSES = frozenset({"cross_entropy", "nll_loss", "criterion", "loss"})
_LOOKUPS = frozenset({"embedding", "one_hot", "embedding_bag"})
_TAKE_INDICES = frozenset({"index_select", "gather", "take_along_dim"})
_TAKE_ROWS = frozenset({"index_select", "index_add", "index_copy", "index_add_", "index_copy_"})
"""Functions that look up their first argument, that take indices after their data, one for each
element or one for each row."""


def by_place(module: nn.Module, place: int | str) -> list[Any]:
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


def special(asked: Asked) -> list[Any]:
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
    found = _by_function(use)
    return _by_name(name, use) if found is None else found


def _by_function(use: Use) -> list[Any] | None:
    """Targets and indices, by the functions that take them; None if these say nothing.

    What layers read besides is none of them.
    """
    called = {function for function, _ in use.functions}
    if called & _LOSSES:
        return [empty((BATCH,), torch.long)]
    if any(isinstance(module, nn.Embedding) for module in use.mixers):
        called.add("embedding")
    indices = {function for function, place in use.functions if place not in (0, "input")}
    if indices & _TAKE_ROWS:
        return [empty((BATCH,), torch.long)]
    if use.mixers and not called & _LOOKUPS:
        return []
    if "subscript" in indices and use.tensor:
        return [empty((BATCH,), torch.long)]
    if called & _LOOKUPS or indices & _TAKE_INDICES:
        shape = BY_RANK[use.rank] if use.rank in (1, 2) else (BATCH, LENGTH)
        return [empty(shape, torch.long), empty((BATCH,), torch.long)]
    return None


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
        return [empty(BY_RANK.get(use.rank or 2, (BATCH, LENGTH)), torch.bool)]
    if TARGETS.fullmatch(name) and not (use.functions or use.rank or use.least_rank):
        return [empty((BATCH,), torch.long)]
    return []
