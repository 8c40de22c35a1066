"""The place of a layer of which only the name is known."""

from __future__ import annotations

from typing import Any

from torch import nn


class UnknownLayer(nn.Module):
    """A layer of a missing package that is not provided; no forward goes through it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *_: Any, **__: Any) -> Any:
        """Nothing: what it computes is not known."""
        raise ImportError(f"{self.name} is a layer of a package that is not installed")
