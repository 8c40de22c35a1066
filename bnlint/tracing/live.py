"""A live model to its graph: where it was defined, and its inputs moved to the meta device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.graph import ModelGraph, ModelRef
from bnlint.layers.table import builtin_table
from bnlint.loading.sites import definition_of
from bnlint.models.guessing.candidate import Candidate, GivenInputs
from bnlint.models.guessing.of_forward import find_inputs
from bnlint.tracing.model import trace_model


def trace_given(
    model: nn.Module,
    args: tuple[Any, ...] | None,
    kwargs: Mapping[str, Any],
    name: str,
    layers: tuple[tuple[str, str], ...],
) -> ModelGraph:
    """The graph of ``model``, with the inputs given or else inferred.

    Raises
    ------
    UsageError
        When ``model`` is not a ``torch.nn.Module``.

    """
    if not isinstance(model, nn.Module):
        raise UsageError(
            Mistake(
                f"a torch.nn.Module is needed, not {type(model).__name__}",
                hint="give an instance: bnlint.check_model(Net())",
            )
        )
    ref = _reference(model, name)
    if args is None:
        inputs = find_inputs(model, None, ref)
    else:
        inputs = GivenInputs((Candidate(_bare(args), _bare(dict(kwargs))),), "declared")
    table = builtin_table().extended(layers)
    return trace_model(model, ref=ref, inputs=inputs, table=table)


def _reference(model: nn.Module, name: str) -> ModelRef:
    cls = type(model)
    shown = name or cls.__name__
    place = None if cls.__module__.startswith("torch.") else definition_of(cls)
    if place is None:
        return ModelRef(f"<{shown}>", shown, "instance")
    return ModelRef(place.path, shown, "instance", definition=place)


def _bare(value: Any) -> Any:
    """The same structure with empty tensors on meta."""

    def one(leaf: Any) -> Any:
        return torch.empty_like(leaf, device="meta") if isinstance(leaf, torch.Tensor) else leaf

    return pytree.tree_map(one, value)
