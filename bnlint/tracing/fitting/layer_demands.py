"""What layers that failed ask of their inputs.

A norm asks for nothing behind a layer with weights: what arrives there is the model's own doing.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.loss import _Loss

from bnlint.layers.table import Table, axes_of
from bnlint.models.nested import tensors
from bnlint.tracing.fitting.complaints import is_too_small, wanted_type
from bnlint.tracing.fitting.demand import (
    Demand,
    Larger,
    OtherBatch,
    OtherRank,
    OtherSize,
    OtherType,
)
from bnlint.tracing.fitting.watching import Fault


def of_layer(fault: Fault, table: Table) -> Iterator[Demand]:
    """The demands of a layer that failed, likeliest first."""
    module = fault.target
    read = list(tensors((fault.args, dict(fault.kwargs))))
    kind = table.of_module(module)
    if not read:
        return
    if kind is not None and "norm" in kind.tags:
        yield from several_values(fault.text, read[0])
        yield from _of_norm(fault, read[0])
        return
    x, dims, dtype = read[0], axes_of(module), wanted_type(fault.text)
    if is_too_small(fault.text) and x.ndim == dims + 2:
        yield Larger(x)
    if dtype is not None and dtype != x.dtype:
        yield OtherType(x, dtype)
    if kind is not None and "statespace" in kind.tags:
        yield from last_axis(x, getattr(module, "d_model", x.shape[-1]), 3)
    if isinstance(module, _Loss) and len(read) > 1:
        yield from of_loss(*read[:2], classes=isinstance(module, (nn.CrossEntropyLoss, nn.NLLLoss)))
    yield from _sizes(module, read, dims)


def _sizes(module: nn.Module, read: list[torch.Tensor], dims: int) -> Iterator[Demand]:
    x = read[0]
    if isinstance(module, nn.RNNBase):
        yield from last_axis(x, module.input_size, 3)
        yield from _states(module, x, read[1:])
        yield from _own_states(module, x, read[1:])
    elif isinstance(module, nn.RNNCellBase):
        yield from last_axis(x, module.input_size, 2)
        for state in read[1:]:
            yield from last_axis(state, module.hidden_size, 2)
    elif isinstance(module, nn.MultiheadAttention):
        yield from _attention(module, read)
    elif isinstance(features := getattr(module, "in_features", None), int):
        yield from last_axis(x, features)
    elif dims and isinstance(wanted := getattr(module, "in_channels", None), int):
        yield from channels(x, wanted, dims)
    elif dims and x.ndim != dims + 2:
        yield OtherRank(x, dims + 2 - x.ndim)


def several_values(text: str, x: torch.Tensor) -> Iterator[Demand]:
    """More samples or larger maps, where a norm in train mode gets one value of a channel."""
    if "more than 1 value per channel" in text and x.shape[:1] == (1,):
        yield OtherBatch(x, 2)
    elif "more than 1 spatial element" in text:
        yield Larger(x)


def _of_norm(fault: Fault, x: torch.Tensor) -> Iterator[Demand]:
    """A batch norm that is the first layer that reads an input, as any other first layer.

    A layer norm of whole maps states how large they are, wherever it stands.
    """
    shape: tuple[int, ...] = getattr(fault.target, "normalized_shape", ())
    lead = x.ndim - len(shape)
    if len(shape) > 1 and lead > 0 and (lead > 1 or x.shape[1] == shape[0]):
        sides = enumerate(zip(x.shape[lead:], shape, strict=True), lead)
        yield from (OtherSize(x, i, to, channels=False) for i, (size, to) in sides if size != to)
    trail, features = fault.trail(x), getattr(fault.target, "num_features", None)
    first = trail is not None and trail.straight == trail.slots
    if first and isinstance(features, int) and x.ndim > 1 and x.shape[1] != features:
        yield OtherSize(x, 1, features)


def channels(x: torch.Tensor, wanted: int, dims: int) -> Iterator[Demand]:
    """The input of a convolution over ``dims`` axes."""
    if x.ndim != dims + 2:
        yield OtherRank(x, dims + 2 - x.ndim)
    elif x.shape[1] != wanted:
        yield OtherSize(x, 1, wanted)


def last_axis(x: torch.Tensor, features: int, rank: int = 0) -> Iterator[Demand]:
    """The input of a layer that works on the last axis; ``rank`` if it takes no other."""
    if rank and x.ndim != rank:
        yield OtherRank(x, rank - x.ndim)
    elif not x.ndim:
        yield OtherRank(x, 1)
    elif x.shape[-1] != features:
        yield OtherSize(x, x.ndim - 1, features)


def of_loss(x: torch.Tensor, target: torch.Tensor, *, classes: bool) -> Iterator[Demand]:
    """A target has the shape of the output; of ``classes``, that without the axis of scores."""
    shape = (*x.shape[:1], *x.shape[2:]) if classes else tuple(x.shape)
    if target.ndim != len(shape):
        yield OtherRank(target, len(shape) - target.ndim)
        return
    for axis, want in enumerate(shape):
        if target.shape[axis] != want:
            yield OtherSize(target, axis, want, channels=False)
            yield OtherSize(x, axis, target.shape[axis], channels=False)


def _own_states(
    module: nn.RNNBase, x: torch.Tensor, states: list[torch.Tensor]
) -> Iterator[Demand]:
    """The number of samples that states are made for which the model itself holds or makes."""
    state = states[0] if states and x.ndim == 3 == states[0].ndim else None
    axis = 0 if module.batch_first else 1
    if state is not None and state.shape[1] != x.shape[axis]:
        want = state.shape[1]
        yield OtherBatch(x, want) if axis == 0 else OtherSize(x, axis, want, channels=False)


def _attention(module: nn.MultiheadAttention, read: list[torch.Tensor]) -> Iterator[Demand]:
    widths = (module.embed_dim, module.kdim, module.vdim)
    for x, width in zip(read, widths, strict=False):
        rank = x.ndim if x.ndim in (2, 3) else 3
        yield from last_axis(x, width or module.embed_dim, rank)


def _states(module: nn.RNNBase, x: torch.Tensor, states: list[torch.Tensor]) -> Iterator[Demand]:
    """The hidden states that a call passes on, which have a shape of their own."""
    layers = module.num_layers * (2 if module.bidirectional else 1)
    batch = x.shape[0 if module.batch_first else 1] if x.ndim == 3 else 0
    for state in states:
        if state.ndim != 3:
            yield OtherRank(state, 3 - state.ndim)
            continue
        for axis, want in enumerate((layers, batch, module.hidden_size)):
            if state.shape[axis] != want:
                yield OtherSize(state, axis, want)
