"""The loss of a training step, which no hook of a model sees: it is caught at its backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class LossCatcher:
    """Keeps the scalar whose backward reached the watched model, still on its device.

    ``reached`` says whether a gradient has arrived: another model's loss passes by. A loss that is
    scaled (for float16, for accumulated batches) is kept as it is; ``loss`` may be replaced.
    """

    def __init__(self, reached: Callable[[], bool]) -> None:
        self.reached = reached
        self.loss: Tensor | None = None

    def arm(self) -> None:
        """Listens until a loss is caught or :meth:`disarm` is called."""
        _LISTENING.append(self)
        if len(_LISTENING) == 1:
            torch.autograd.backward = _telling

    def disarm(self) -> None:
        """Stops to listen."""
        if self in _LISTENING:
            _LISTENING.remove(self)
            if not _LISTENING:
                torch.autograd.backward = _PLAIN

    def heard(self, loss: Any) -> None:
        """A backward from ``loss`` has run."""
        if self.reached():
            self.loss = loss.detach().clone() if _is_scalar(loss) else None
            self.disarm()


_PLAIN = torch.autograd.backward
_LISTENING: list[LossCatcher] = []
"""All that listen: ``Tensor.backward`` calls one function, which is replaced only meanwhile."""


def _telling(tensors: Any, *args: Any, **kwargs: Any) -> None:
    _PLAIN(tensors, *args, **kwargs)
    for listener in tuple(_LISTENING):
        listener.heard(tensors)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1
