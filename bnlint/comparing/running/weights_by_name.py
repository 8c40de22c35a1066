"""Random weights that depend only on the name and the shape of a state.

Two versions of a model can't be loaded in one process. What they share starts from the same
numbers, and no weights have to be stored. They are not the initial ones: zero gains, zero biases
and zero positions would hide differences.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parameter import is_lazy

_STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Draw:
    """One set of weights and inputs; a ``spread`` of several makes activations leave their bounds.

    ``scale`` is that of the inputs.
    """

    seed: int
    scale: float
    spread: float = 1.0


DRAWS = (Draw(0, 1.0), Draw(1, 10.0, 4.0), Draw(2, 1e-2), Draw(3, 100.0, 2.0))
"""The first two are always run: values of usual size, and far beyond the bounds of activations."""


def noise(name: str, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """Normal numbers in double precision; the same for the same name and shape."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{name} {seed}".encode()))
    return torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu").double()


def fill(model: nn.Module, names: Mapping[str, str], draw: Draw) -> None:
    """Set all parameters and running statistics; ``names`` are the names by keys of the model."""
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if not is_lazy(parameter) and parameter.is_floating_point():
                parameter.copy_(
                    _weights(names.get(key, f"new {key}"), tuple(parameter.shape), draw)
                )
        for key, buffer in model.named_buffers():
            last = key.rpartition(".")[2]
            if last in _STATISTICS and buffer.is_floating_point():
                numbers = noise(names.get(key, f"new {key}"), tuple(buffer.shape), draw.seed)
                mean = last == "running_mean"
                buffer.copy_(0.1 * numbers * draw.spread if mean else 0.5 + 0.5 * numbers.abs())


def spread_constants(buffers: Mapping[str, torch.Tensor]) -> None:
    """Give a buffer that holds one number everywhere several: a checkpoint may hold any."""
    with torch.no_grad():
        for key, buffer in buffers.items():
            if key.rpartition(".")[2] in (*_STATISTICS, "num_batches_tracked"):
                continue
            if not buffer.is_floating_point() or buffer.numel() < 2 or buffer.is_meta:
                continue
            if bool((buffer == buffer.flatten()[0]).all()) and bool(torch.isfinite(buffer).all()):
                buffer.add_(0.1 * noise(key, tuple(buffer.shape)).abs().to(buffer.dtype))


def _weights(name: str, shape: tuple[int, ...], draw: Draw) -> torch.Tensor:
    numbers = noise(name, shape, draw.seed)
    if len(shape) > 1:
        fan = max(1, math.prod(shape[1:]))
        return numbers * math.sqrt((2 if draw.spread == 1 else 3) / fan)
    if name.endswith("bias"):
        return 0.1 * draw.spread**2 * numbers
    return 1 + 0.1 * draw.spread**2 * numbers
