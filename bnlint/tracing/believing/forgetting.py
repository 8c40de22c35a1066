"""Failures that are cleared from a record, with all that depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from bnlint.layers.calls import UNSEEN, Call, Ref, State, is_module, name_of
from bnlint.tracing.tracers import Record

_TAKING = frozenset({"getitem", "__getitem__", "unbind"})
_CHOOSING = frozenset({"masked_select", "nonzero", "argwhere", "unique", "unique_consecutive"})


def forget_chosen(record: Record) -> None:
    """Clear the failures of functions that read elements chosen by a mask.

    How many they are depends on numbers, which no trace knows. What a layer says of its channels
    does not.
    """
    chosen: set[str] = set()
    believed: set[int] = set()
    values = {call.id: call.value for call in record.calls}
    for index, call in enumerate(record.calls):
        if _chooses(call, values) or any(ref.id in chosen for ref in call.refs()):
            chosen.add(call.id)
        if call.error is not None and (is_module(call.target) or call.id not in chosen):
            believed.add(index)
    if any(c.error is not None and n not in believed for n, c in enumerate(record.calls)):
        forget_others(record, frozenset(believed))


def _chooses(call: Call, values: Mapping[str, Any]) -> bool:
    name = name_of(call.target)
    if name in ("getitem", "__getitem__") and len(call.args) > 1:
        keys = call.args[1] if isinstance(call.args[1], tuple) else call.args[1:2]
        tensors = [values.get(k.id) if isinstance(k, Ref) else k.tensor
                   for k in keys if isinstance(k, (Ref, State))]  # fmt: skip
        return any(not isinstance(t, torch.Tensor) or t.dtype == torch.bool for t in tensors)
    return name in _CHOOSING


def forget_parts(record: Record) -> None:
    """Clear what follows from an input that cannot be taken apart, but for the failure itself.

    ``image, boxes = batch`` takes an image alone for two samples of less axes.
    """
    inputs = {call.id for call in record.calls if call.target == "input"}
    takes = [
        call
        for call in record.calls
        if name_of(call.target) in _TAKING and {ref.id for ref in call.refs()} & inputs
    ]
    if any(call.error is not None for call in takes):
        _forget(record, {call.id for call in takes if call.error is None})


def forget_others(record: Record, believed: frozenset[int]) -> None:
    """Clear every failure that is not believed, and all values that depend on one."""
    failed = (c for n, c in enumerate(record.calls) if c.error is not None and n not in believed)
    _forget(record, {call.id for call in failed})


def _forget(record: Record, doubtful: set[str]) -> None:
    for call in record.calls:
        if call.id in doubtful or any(ref.id in doubtful for ref in call.refs()):
            doubtful.add(call.id)
            call.value, call.error = UNSEEN, None
