"""Whether ``load_state_dict`` takes the keys and shapes of another model: it is tried, on meta."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.errors import in_words
from bnlint.domain.graph import Shape
from bnlint.domain.request import KeyMap, LoadAttempt
from bnlint.tracing.bare import on_meta

_MISFIT = re.compile(
    r"size mismatch for (?P<key>\S+): copying a param with shape "
    r"torch\.Size\(\[(?P<old>[\d, ]*)\]\) from checkpoint, "
    r"the shape in current model is torch\.Size\(\[(?P<new>[\d, ]*)\]\)"
)


def try_to_load(model: nn.Module, keys: Mapping[str, Shape], renames: KeyMap = ()) -> LoadAttempt:
    """What the model says to a state of these keys and shapes, renamed by ``renames``.

    Its own hooks run, so that a model that renames old keys itself loads them. A key whose name is
    taken by a renamed one is left out, and unexpected.
    """
    new_names = dict(renames)
    taken = set(new_names.values())
    dropped = tuple(key for key in keys if key in taken and key not in new_names)
    state = {
        new_names.get(key, key): torch.empty(shape, device="meta")
        for key, shape in keys.items()
        if key not in dropped
    }
    bare = copy.copy(model) if any(map(is_lazy, model.parameters())) else on_meta(model)
    try:
        found = _load(bare, state)
    except RuntimeError as error:
        return _refused(bare, state, str(error))
    except Exception as error:  # hooks may raise anything
        return LoadAttempt(False, error=in_words(error))
    missing, unexpected = tuple(found.missing_keys), (*dropped, *found.unexpected_keys)
    return LoadAttempt(not (missing or unexpected), missing, unexpected)


def _load(bare: nn.Module, state: Mapping[str, torch.Tensor]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a copy to meta copies nothing is meant
        return bare.load_state_dict(dict(state), strict=False)


def _refused(bare: nn.Module, state: Mapping[str, torch.Tensor], said: str) -> LoadAttempt:
    """The attempt without the keys whose shapes don't fit."""
    misfits = {m["key"]: (_shape(m["old"]), _shape(m["new"])) for m in _MISFIT.finditer(said)}
    if not misfits:
        return LoadAttempt(False, error=said.strip().splitlines()[-1].strip())
    rest = {key: value for key, value in state.items() if key not in misfits}
    try:
        found = _load(bare, rest)
    except Exception as error:
        return LoadAttempt(False, error=in_words(error))
    return LoadAttempt(
        False,
        tuple(key for key in found.missing_keys if key not in misfits),
        tuple(found.unexpected_keys),
        tuple((key, old, new) for key, (old, new) in misfits.items()),
    )


def _shape(text: str) -> Shape:
    return tuple(int(part) for part in text.split(",") if part.strip())


def loaded_under(model: nn.Module, keys: Mapping[str, Shape]) -> KeyMap:
    """Which key each old state comes to, where hooks of the model rename keys.

    Each old state holds its own number, and the real model is loaded. Its buffers are restored; its
    parameters are not.
    """
    buffers = {key: buffer.detach().clone() for key, buffer in model.named_buffers()}
    state = {
        key: torch.full(shape, float(number), dtype=torch.float64)
        for number, (key, shape) in enumerate(keys.items(), 1)
    }
    _load(model, state)
    found = [
        (old, new)
        for new, value in model.state_dict().items()
        if isinstance(value, torch.Tensor) and (old := _number_in(value, tuple(keys))) is not None
    ]
    with torch.no_grad():
        for key, buffer in model.named_buffers():
            buffer.copy_(buffers[key])
    return tuple((old, new) for old, new in found if old != new)


def _number_in(value: torch.Tensor, keys: tuple[str, ...]) -> str | None:
    """The old key whose number all elements of a state hold."""
    if not value.numel() or value.dtype == torch.bool:
        return None
    first = round(float(value.flatten()[0]))
    whole = bool((value == value.flatten()[0]).all())
    return keys[first - 1] if whole and 0 < first <= len(keys) else None
