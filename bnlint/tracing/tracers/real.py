"""The forward run on small real tensors, where its control flow depends on their values.

A tensor on ``meta`` has none, so ``if mask.all()`` or ``nonzero`` fail there. Weights are random
(nothing is learned from their values), so this only serves to follow the route of the data.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.layers.table import Table, is_leaf
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.record import Record, Refused
from bnlint.tracing.tracers.copying import with_tensors
from bnlint.tracing.tracers.recorded import record_forward

LIMIT = 60_000_000
"""Maximum number of parameters and buffer entries of a model that is filled with numbers."""

_SIGNS = ("meta tensor", "Meta tensor", "register_meta", "on meta", "meta device")


def wants_numbers(record: Record) -> bool:
    """True when the forward on meta failed because it needs values."""
    return any(sign in refused.reason for refused in record.refused for sign in _SIGNS)


def can_be_filled(model: nn.Module) -> bool:
    """True for a model that is small enough to be filled with numbers."""
    states = (*model.parameters(), *model.buffers())
    return sum(t.numel() for t in states if not is_lazy(t)) <= LIMIT


def record_for_real(model: nn.Module, table: Table, call: Guess) -> Record:
    """What the forward does with real numbers; refused where it can't be copied or filled."""
    generator = torch.random.get_rng_state()
    try:
        filled = _filled(model)
        args, kwargs = with_tensors((call.args, dict(call.kwargs)), _number)
    except Exception as error:
        return Record("recorded", refused=[Refused.after(error, "")])
    try:
        record = record_forward(filled, table, Guess(args, kwargs))
    finally:
        torch.random.set_rng_state(generator)
    return _as_of(model, filled, record)


def adopt_doubts(record: Record, on_meta: Record, model: nn.Module, table: Table) -> None:
    """Make a record with numbers no more whole than the one on meta where layers were left out.

    Other numbers may have taken another way, where a layer with weights was not called.
    """
    if any(id(m) not in record.called for m in _layers_with_weights(model, table)):
        record.refused += on_meta.refused


def _layers_with_weights(module: nn.Module, table: Table) -> Iterator[nn.Module]:
    """The layers whose calls matter; an identity or activation may well go uncalled."""
    if is_leaf(module, table):  # an attention does not call what it holds
        if any(True for _ in (*module.parameters(), *module.buffers())):
            yield module
        return
    for child in module.children():
        yield from _layers_with_weights(child, table)


def _filled(model: nn.Module) -> nn.Module:
    filled = copy.deepcopy(model).to_empty(device="cpu")
    with torch.no_grad():
        for parameter in filled.parameters():
            parameter.normal_(0.0, 0.02)
        for name, buffer in filled.named_buffers():
            buffer.fill_(1 if name.endswith("var") else 0)
    for module in filled.modules():
        for name, value in tuple(vars(module).items()):  # a window, say, that is no buffer
            if isinstance(value, torch.Tensor) and value.is_meta:
                setattr(module, name, _number(value))
    return filled


def _number(tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_meta:
        return tensor
    if tensor.is_floating_point():
        return torch.randn(tensor.shape, dtype=tensor.dtype)
    return torch.ones(tensor.shape, dtype=tensor.dtype)


def _as_of(model: nn.Module, filled: nn.Module, record: Record) -> Record:
    """The record with the modules of ``model`` instead of their copies."""
    pairs = zip(filled.modules(), model.modules(), strict=True)
    originals = {id(mine): theirs for mine, theirs in pairs}
    for call in record.calls:
        if isinstance(call.target, nn.Module):
            call.target = originals.get(id(call.target), call.target)
    record.called = {
        id(originals[key]): count for key, count in record.called.items() if key in originals
    }
    return record
