"""The keys and shapes of a checkpoint file; its numbers are not read."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from typing import Any

import torch

from bnlint.domain.graph import Shape

_load = torch.load  # the user's code gets another one, which reads no weights

_INSIDE = (
    *("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network"),
    *("weights", "params", "generator", "ema_state_dict", "model_ema", "ema", "student", "teacher"),
)
"""Where training code puts the state of the model, most common first."""

_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder.")
"""Prefixes that DataParallel, torch.compile and trainers add to all keys."""
_MOST_HEADER = 100 << 20


def keys_of_file(path: str) -> dict[str, Shape]:
    """Shapes by key; raises ValueError with the reason if the file holds no state.

    Pickled code is not run: the file is loaded with ``weights_only=True``.
    """
    if path.endswith(".safetensors"):
        return _of_safetensors(path)
    try:
        found = _load(path, map_location="meta", weights_only=True)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"it cannot be read with weights_only=True: {first}") from error
    state = _state_in(found)
    if state is None:
        raise ValueError("it holds no tensors by key")
    return state


def wrapper_of(keys: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The prefix of all keys without which more of them are ``wanted``; else empty."""
    best, most = "", sum(key in wanted for key in keys)
    for prefix in _WRAPPERS:
        if keys and all(key.startswith(prefix) for key in keys):
            count = sum(key.removeprefix(prefix) in wanted for key in keys)
            best, most = (prefix, count) if count > most else (best, most)
    return best


def _state_in(found: Any) -> dict[str, Shape] | None:
    if not isinstance(found, Mapping):
        return None
    for name in _INSIDE:
        inner = found.get(name)
        if isinstance(inner, Mapping) and any(isinstance(v, torch.Tensor) for v in inner.values()):
            return _shapes(inner)
    return _shapes(found) or None


def _shapes(state: Mapping[Any, Any]) -> dict[str, Shape]:
    tensors = {str(k): v for k, v in state.items() if isinstance(v, torch.Tensor)}
    return {key: tuple(map(int, value.shape)) for key, value in tensors.items()}


def _of_safetensors(path: str) -> dict[str, Shape]:
    """Read from the header: its length in eight bytes, then JSON."""
    with open(path, "rb") as file:
        head = file.read(8)
        size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 0 < size <= min(_MOST_HEADER, os.path.getsize(path)):
            raise ValueError("it is no safetensors file")
        try:
            header = json.loads(file.read(size))
            return {k: tuple(v["shape"]) for k, v in header.items() if k != "__metadata__"}
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("its header is damaged") from error
