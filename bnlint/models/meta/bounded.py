"""A limit for models that can only be built on the CPU: their weights must not fill the memory."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from bnlint.models.meta.device_arguments import is_constructor

LIMIT = 300_000_000
"""Numbers that one model may create: 1.2 GB in single precision."""


class TooManyWeights(RuntimeError):
    """A model would create more numbers on the CPU than it may."""


class Bounded(TorchFunctionMode):
    """Ends the code that creates too many numbers, before they take memory."""

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__()
        self.limit = self.left = limit

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The result of the function, unless it is too large."""
        kwargs = kwargs or {}
        if is_constructor(func):
            with contextlib.suppress(Exception):  # it raises the same below
                self.left -= func(*args, **{**kwargs, "device": torch.device("meta")}).numel()
            if self.left < 0:
                raise TooManyWeights(
                    "it cannot be built without its weights, and they are more than "
                    f"{self.limit // 1_000_000} million numbers"
                )
        return func(*args, **kwargs)
