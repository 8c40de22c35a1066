"""One model of the zoo: how to build it, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bnlint.models.guessing.guess import Guesses

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a library; ``inputs`` returns meta tensors for its forward, guesses, or None.

    ``source`` says whether the library states those inputs (declared), or they are a guess.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[nn.Module], Inputs | Guesses | None]
    source: str = "declared"


def image(*shape: int) -> Callable[[nn.Module], Inputs]:
    """One image batch as the only argument."""
    return lambda model: ((torch.empty(shape, device="meta"),), {})
