"""The parameters and buffers of a model by key, as a checkpoint has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import StateInfo
from bnlint.tracing.describing.exact import digest_of_tensor

_MOST = 1 << 22
"""Numbers of a buffer that are read for its digest."""


def describe_states(model: nn.Module) -> tuple[StateInfo, ...]:
    """All keys of the model's state, and its buffers that a checkpoint leaves out."""
    kept = _state_dict(model)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    others = dict(model.named_buffers(remove_duplicate=False))
    first: dict[int, str] = {}
    found = []
    for key, value in {**kept, **others}.items():
        if not isinstance(value, torch.Tensor):
            found.append(StateInfo(key, (), "", False, False, key in kept))
            continue
        tied = first.setdefault(id(value), key)
        parameter = key in parameters
        found.append(
            StateInfo(
                key,
                () if is_lazy(value) else tuple(map(int, value.shape)),
                str(value.dtype).removeprefix("torch."),
                parameter,
                parameter and value.requires_grad,
                parameter or key in kept,
                "" if tied == key else tied,
                "" if parameter else _digest(value),
            )
        )
    return tuple(found)


def keys_of(model: nn.Module) -> dict[int, str]:
    """The first key of each parameter and buffer by its identity."""
    found: dict[int, str] = {}
    for key, state in (*model.named_parameters(), *model.named_buffers()):
        found.setdefault(id(state), key)
    return found


def _state_dict(model: nn.Module) -> dict[str, Any]:
    """What ``state_dict()`` returns, with the parameters themselves; hooks may raise anything."""
    try:
        return dict(model.state_dict(keep_vars=True))
    except Exception:
        return dict(model.named_parameters(remove_duplicate=False))


def _digest(buffer: torch.Tensor) -> str:
    known = not (is_lazy(buffer) or buffer.is_meta) and buffer.numel() <= _MOST
    return digest_of_tensor(buffer) if known else ""
