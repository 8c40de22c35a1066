"""The device that a tensor of a watched forward says it is on."""

from __future__ import annotations

import sys
from typing import Any

import torch

from bnlint.loading.sites import is_machinery
from bnlint.models.meta.known_numbers import numbers_of

ASKS_DEVICE = torch.Tensor.device.__get__


def told_device(tensor: torch.Tensor, *_: Any) -> torch.device:
    """The CPU to code of the model, which treats meta in a way of its own or not at all."""
    torchs = is_machinery(sys._getframe(2).f_code.co_filename)
    return tensor.device if torchs and numbers_of(tensor) is None else torch.device("cpu")
