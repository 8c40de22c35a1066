"""A model built from a call, on ``meta`` first; on the CPU if that fails or values are needed."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from bnlint.domain.errors import is_out_of_memory
from bnlint.loading.missing.stubs import StubUsed
from bnlint.loading.user_code import denied_download
from bnlint.models.held_modules import not_set_up, uncover_methods
from bnlint.models.meta.bounded import Bounded
from bnlint.models.meta.drawn_in_part import drawn_in_part
from bnlint.models.meta.meta_mode import MetaMode

_NOT_OF_META = (
    *(AttributeError, NameError, LookupError, AssertionError, ArithmeticError, FileNotFoundError),
    TypeError,
)
"""Errors that a model raises on the CPU just as well, unless they mention ``meta``."""


class NotAModel(TypeError):
    """The call returned something that is not a ``torch.nn.Module``."""


class NotSetUp(AttributeError):
    """A module lacks what the constructor of ``torch.nn.Module`` sets."""


def build(make: Callable[[], object], weight_limit: int = 0, *, to_run: bool = False) -> nn.Module:
    """The model that ``make`` returns, with real weights only up to ``weight_limit`` parameters.

    A model without parameters is on meta, too, unless it is built ``to_run``.

    Raises what the user's code raised on the CPU, or on ``meta`` if the CPU would not help.
    """
    try:
        with MetaMode():
            model = _made(make)
    except BaseException as error:
        final = isinstance(error, (SystemExit, KeyboardInterrupt, StubUsed, NotAModel))
        if final or is_out_of_memory(error) or denied_download(error):
            raise  # as it would on the CPU
        if isinstance(error, _NOT_OF_META) and "meta" not in str(error).lower():
            raise
        with Bounded():
            return _made(make)
    if (0 if to_run else 1) <= parameters_of(model) <= weight_limit:
        with contextlib.suppress(Exception):  # one on meta alone can be traced, too
            return _made(make) if to_run else drawn_in_part(partial(_made, make))
    return model


def _made(make: Callable[[], object]) -> nn.Module:
    torch.manual_seed(0)
    random.seed(0)
    model = make()
    if not isinstance(model, nn.Module):
        raise NotAModel(f"it returns a {type(model).__name__}, not a torch.nn.Module")
    if fault := not_set_up(model):
        raise NotSetUp(fault)
    uncover_methods(model)
    return model


def parameters_of(model: nn.Module) -> int:
    """How many numbers the parameters of a model are; 0 if some are not known yet."""
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
        return 0
    return sum(p.numel() for p in model.parameters())
