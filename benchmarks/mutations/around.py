"""Modules that stand around a layer and make it a fault of the forward."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn
from torch.nn.functional import dropout


class AlwaysDropped(nn.Module):
    """The layer, and a dropout that ignores the mode."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, *args: Any) -> Any:
        return dropout(self.own(*args), 0.2)


class ThrownAway(nn.Module):
    """The layer, and a copy of it whose result nothing reads."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own, self.extra = layer, copy.deepcopy(layer)

    def forward(self, *args: Any) -> Any:
        self.extra(*args)
        return self.own(*args)


class CutOff(nn.Module):
    """The layer, with its result detached."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, *args: Any) -> Any:
        return self.own(*args).detach()
