"""Shapes for synthetic inputs where none was given: tried on the model until one passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from bnlint.domain.errors import Mistake, ProbeError
from bnlint.domain.graph import Shape
from bnlint.tracing.classify import Table
from bnlint.tracing.trace import on_meta

SIZES = (32, 28, 64, 224, 8, 16, 96, 128, 256)
"""Image sizes to try, common ones first."""


def given_shapes(inputs: str | Sequence[int] | Sequence[Sequence[int]]) -> tuple[Shape, ...]:
    """Shapes from ``"1x3x32x32"``, ``(1, 3, 32, 32)`` or a sequence of shapes.

    Raises:
        ProbeError: it is none of them.

    """
    found: tuple[Any, ...]
    try:
        if isinstance(inputs, str):
            return (tuple(int(n) for n in inputs.lower().split("x")),)
        found = tuple(inputs)
        if found and all(isinstance(n, int) for n in found):
            return (found,)
        return tuple(tuple(int(n) for n in shape) for shape in found)
    except (TypeError, ValueError) as error:
        raise ProbeError(
            Mistake(f"{inputs!r} is no input shape", hint="write it like 1x3x32x32")
        ) from error


def inferred_shape(model: nn.Module, table: Table) -> Shape:
    """The first shape that the model's forward takes, by its first kernel; tried on meta.

    Raises:
        ProbeError: none passes.

    """
    meta = on_meta(model).to("meta") if any(True for _ in model.parameters()) else model
    for shape in _candidates(model, table):
        try:
            with torch.no_grad():
                meta(torch.empty(shape, device="meta"))
            return shape
        except Exception:  # whatever a forward raises for a wrong shape
            continue
    raise ProbeError(
        Mistake(
            "the shape of the input cannot be guessed",
            hint="pass batches, or inputs='1x3x32x32' (--input 1x3x32x32)",
        )
    )


def _candidates(model: nn.Module, table: Table) -> Iterator[Shape]:
    for module in model.modules():
        kind = table.of_module(module)
        if kind is None or "kernel" not in kind.tags:
            continue
        channels = getattr(module, "in_channels", getattr(module, "in_features", None))
        if not isinstance(channels, int):
            continue
        rank = {"1d": 1, "2d": 2, "3d": 3}.get(kind.name[-2:], 0)
        if rank == 0:
            yield (2, channels)
            yield (2, 8, channels)
        else:
            yield from ((2, channels, *(size,) * rank) for size in SIZES)
        return
