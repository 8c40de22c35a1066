"""All that a model reaches and the process has, as data that can be compared."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

_PLAIN = (bool, int, float, str, bytes, type(None))


def snapshot(*values: Any) -> Any:
    """The content and the identity of values, and the state of the process."""
    return {"values": [_looked(value, {}) for value in values], "process": _process()}


def changes(before: Any, after: Any, at: str = "") -> list[str]:
    """The places where two snapshots differ."""
    return list(_changes(before, after, at))


def _changes(before: Any, after: Any, at: str) -> Iterator[str]:
    if type(before) is not type(after):
        yield at
    elif isinstance(before, dict):
        for key in {**before, **after}:
            if (key in before) != (key in after):
                yield f"{at}.{key}"
            else:
                yield from _changes(before[key], after[key], f"{at}.{key}")
    elif isinstance(before, list):
        if len(before) != len(after):
            yield at
        for n, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from _changes(one, other, f"{at}[{n}]")
    elif before != after and not (before != before and after != after):
        yield f"{at}: {str(before)[:40]} -> {str(after)[:40]}"


def _looked(value: Any, met: dict[int, int]) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if id(value) in met:
        return f"as before: {met[id(value)]}"
    met[id(value)] = len(met)
    return {"is": id(value), "holds": _content(value, met)}


def _content(value: Any, met: dict[int, int]) -> Any:
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, random.Random):
        return str(value.getstate())
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, dict):
        return {str(key): _looked(item, met) for key, item in value.items()}
    if isinstance(value, (list, tuple, deque)):
        return [_looked(item, met) for item in value]
    if isinstance(value, nn.Module) or (hasattr(value, "__dict__") and not callable(value)):
        return {key: _looked(item, met) for key, item in vars(value).items()}
    return None


def _tensor(value: torch.Tensor) -> Any:
    bits = value.detach().clone().reshape(-1).view(torch.uint8).tolist()
    gradient = value.grad if value.is_leaf else None
    own = None if gradient is None else [id(gradient), gradient.tolist()]
    hooks = len(value._backward_hooks or ())
    return [bits, value.data_ptr(), value.requires_grad, value.is_leaf, hooks, own]


def _process() -> Any:
    return {
        "generators": [torch.get_rng_state().tolist(), str(random.getstate())],
        "numpy": str(np.random.get_state()),
        "dtype": str(torch.get_default_dtype()),
        "device": str(torch.get_default_device()),
        "grad": [torch.is_grad_enabled(), torch.is_inference_mode_enabled()],
        "call": id(nn.Module.__call__),
        "training": "training" in vars(nn.Module),
    }
