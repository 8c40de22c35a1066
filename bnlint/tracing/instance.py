"""A model that is already built, as its graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.graph import ModelGraph, ModelRef
from bnlint.layers.table import builtin_table
from bnlint.loading.sites import definition_of
from bnlint.models.guessing.guess import given
from bnlint.models.guessing.of_forward import find_inputs
from bnlint.tracing.model import trace_model


def trace_given(
    model: nn.Module,
    args: tuple[Any, ...] | None,
    kwargs: Mapping[str, Any],
    name: str,
    layers: tuple[tuple[str, str], ...],
) -> ModelGraph:
    """The graph of ``model``, with the given inputs or else guessed ones.

    Raises
    ------
    UsageError
        ``model`` is not a ``torch.nn.Module``.

    """
    if not isinstance(model, nn.Module):
        raise UsageError(
            Mistake(
                f"a torch.nn.Module is needed, not {type(model).__name__}",
                hint="give an instance: bnlint.check_model(Net())",
            )
        )
    ref = _reference(model, name)
    inputs = find_inputs(model, None, ref) if args is None else given(*args, **kwargs)
    table = builtin_table().extended(layers)
    return trace_model(model, ref=ref, inputs=inputs, table=table)


def _reference(model: nn.Module, name: str) -> ModelRef:
    cls = type(model)
    shown = name or cls.__name__
    place = None if cls.__module__.startswith("torch.") else definition_of(cls)
    if place is None:
        return ModelRef(f"<{shown}>", shown, "instance")
    return ModelRef(place.path, shown, "instance", definition=place)
