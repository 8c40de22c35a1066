"""Facts of a call about gradients, about who else reads its result, and about where it is called.

Each is left out where it would say the usual thing, so that most operations carry none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from types import CodeType
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Value
from bnlint.layers.calls import Call, Ref, State, name_of
from bnlint.loading.sites import is_users, line_of
from bnlint.models.nested import tensors
from bnlint.tracing.describing.code_places import loop_line


def usage_facts(
    call: Call, inputs: Sequence[Ref], values: Mapping[str, Any], total: int
) -> dict[str, Value]:
    """The facts of a call that reads ``inputs``; ``values`` are the results of all calls by id.

    ``total`` is the number of calls of its layer.
    """
    facts: dict[str, Value] = {}
    if call.kept or _writes_into_state(call):
        facts["kept"] = True
    if isinstance(call.target, nn.Module):
        facts["recomputed"] = call.recomputed
    if call.also:
        facts["rebuilt"] = True
    if _is_discrete(call.value, 0):
        facts["discrete"] = True
    slots = tuple(n for n, ref in enumerate(inputs) if _is_discrete(values.get(ref.id), ref.item))
    if slots:
        facts["integer-inputs"] = slots
    if total > 1 and isinstance(call.target, nn.Module):
        facts["called-from"] = _lines(call)
        loops = _loops(call)
        if any(loops):
            facts["called-in-loops"] = loops
    return facts


def _is_discrete(value: Any, item: int) -> bool:
    """Whether a tensor of a result holds integers or truth values, which have no gradient."""
    found = (value,) if isinstance(value, torch.Tensor) else islice(tensors(value), item, None)
    tensor = next(iter(found), None)
    return tensor is not None and not (tensor.is_floating_point() or tensor.is_complex())


def _writes_into_state(call: Call) -> bool:
    """Whether it writes into a parameter, a buffer or a constant, which is read later."""
    name = name_of(call.target)
    in_place = name.strip("_") == "setitem" or (name.endswith("_") and not name.endswith("__"))
    return in_place and bool(call.args) and isinstance(call.args[0], State)


def _lines(call: Call) -> tuple[int, ...]:
    """The lines of the user's code that lead to the call, the outermost first."""
    return tuple(line_of(*frame) for frame in _frames(call))


def _loops(call: Call) -> tuple[int, ...]:
    """The first line of the loop around each of these lines, 0 where there is none."""
    return tuple(loop_line(*frame) for frame in _frames(call))


def _frames(call: Call) -> list[tuple[CodeType, int]]:
    return [frame for frame in reversed(call.frames) if is_users(frame[0].co_filename)]
