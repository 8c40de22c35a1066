"""The forward, run on real tensors if its control flow depends on their values.

Tensors on ``meta`` have none, so ``if mask.all()`` or ``nonzero`` fail. The values of weights and
inputs are random; only the sequence of operations is used.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.layers.table import Table, is_leaf
from bnlint.models.guessing.guess import Guess
from bnlint.models.nested import with_tensors
from bnlint.tracing.tracers import Record, Refused
from bnlint.tracing.tracers.recorded import record_forward

LIMIT = 60_000_000
"""Maximum number of parameters and buffer elements of a model that is given values."""

_SIGNS = ("meta tensor", "Meta tensor", "register_meta", "on meta", "meta device")


def wants_numbers(record: Record) -> bool:
    """True if the forward failed on meta because it needs values."""
    return any(sign in refused.reason for refused in record.refused for sign in _SIGNS)


def can_be_filled(model: nn.Module) -> bool:
    """True for a model that is small enough to be given values."""
    states = (*model.parameters(), *model.buffers())
    return sum(t.numel() for t in states if not is_lazy(t)) <= LIMIT


def record_for_real(model: nn.Module, table: Table, call: Guess) -> Record:
    """The record of the forward on real tensors; refused if the model can't be copied."""
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
    """Add the refusals of the record on meta if a layer with weights was not called.

    With other values, the forward may have called it.
    """
    if any(id(m) not in record.called for m in _layers_with_weights(model, table)):
        record.refused += on_meta.refused


def _layers_with_weights(module: nn.Module, table: Table) -> Iterator[nn.Module]:
    """The leaf layers that have weights."""
    if is_leaf(module, table):  # an attention does not call its submodules
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
        for name, value in tuple(vars(module).items()):  # for example a window that is no buffer
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
    pairs = zip(filled.modules(), model.modules(), strict=True)
    originals = {id(mine): theirs for mine, theirs in pairs}
    for call in record.calls:
        if isinstance(call.target, nn.Module):
            call.target = originals.get(id(call.target), call.target)
    record.called = {
        id(originals[key]): count for key, count in record.called.items() if key in originals
    }
    return record
