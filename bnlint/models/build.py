"""A model from a call: on ``meta`` first, on the CPU where that fails or values are needed."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import nn

from bnlint.loading.blame import is_memory
from bnlint.loading.downloads import refused
from bnlint.loading.stubs import StubUsed


class NotAModel(TypeError):
    """The call gave something that is not a ``torch.nn.Module``."""


def build(make: Callable[[], object], weight_limit: int = 0) -> nn.Module:
    """The model that ``make`` gives, with real weights only below ``weight_limit`` parameters.

    Raises
    ------
        NotAModel: ``make`` gave something else.
        BaseException: whatever the user's code raised on the CPU, or on ``meta`` where the CPU
            would not help.

    """
    try:
        with torch.device("meta"):
            model = _made(make)
    except BaseException as error:
        if _is_final(error):
            raise
        return _made(make)
    if 0 < _parameters(model) <= weight_limit:
        try:
            return _made(make)
        except Exception:  # what can be built on meta alone is still worth a look
            return model
    return model


def _made(make: Callable[[], object]) -> nn.Module:
    torch.manual_seed(0)
    random.seed(0)
    model = make()
    if not isinstance(model, nn.Module):
        raise NotAModel(f"it gives {type(model).__name__}, not a torch.nn.Module")
    return model


def _is_final(error: BaseException) -> bool:
    """True when the CPU would raise the same."""
    exits = isinstance(error, (SystemExit, KeyboardInterrupt, StubUsed, NotAModel))
    return exits or is_memory(error) or bool(refused(error))


def _parameters(model: nn.Module) -> int:
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
        return 0
    return sum(p.numel() for p in model.parameters())
