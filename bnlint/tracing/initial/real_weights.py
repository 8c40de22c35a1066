"""The real weights of a call: those of a layer, or parameters that a function is given."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TypeGuard

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from bnlint.layers.calls import Call, State
from bnlint.layers.of_calls import arguments_of
from bnlint.layers.table import Kind
from bnlint.tracing.initial.stretches import Weights


def named_parameters(modules: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    """The trainable parameters of the modules by their full names."""
    return {
        f"{path}.{name}" if path else name: parameter
        for path, module in modules.items()
        for name, parameter in module._parameters.items()
        if parameter is not None and parameter.requires_grad
    }


def given_weights(call: Call, own: Mapping[str, nn.Parameter]) -> SimpleNamespace | None:
    """The weight and bias in the arguments of a function; None unless they are parameters."""
    if not own:
        return None
    given = arguments_of(call.target, call.args, call.kwargs)
    weight, bias = _real(given.get("weight"), own), _real(given.get("bias"), own)
    known = weight is not None and (bias is not None or given.get("bias") is None)
    groups = given.get("groups", 1)
    return SimpleNamespace(weight=weight, bias=bias, groups=groups) if known else None


def _real(argument: object, own: Mapping[str, nn.Parameter]) -> nn.Parameter | None:
    return own.get(argument.path) if isinstance(argument, State) else None


def weights_of(holder: object, kind: Kind) -> Weights | None:
    """The weights of a kernel with one row for each unit; None if there are no numbers in them."""
    module = _at_rest(holder)
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if not _has_numbers(weight) or weight.ndim < 2 or not weight.numel():
        return None
    transposed = "transposed" in kind.tags
    groups = getattr(module, "groups", 1)
    rows = weight.flatten(2) if weight.ndim > 2 else weight[..., None]
    inputs = rows.shape[0] if transposed else rows.shape[1] * groups
    if transposed:  # (groups, inputs of one, outputs of one, taps)
        rows = rows.reshape(groups, -1, *rows.shape[1:]).transpose(1, 2).flatten(0, 1)
    elif getattr(module, "nf", None) == rows.shape[1]:  # a linear layer with a transposed weight
        rows, inputs = rows.transpose(0, 1), rows.shape[0]
    known = bias if _has_numbers(bias) else None
    return Weights(rows.flatten(1), known, inputs, transposed)


def scale_of(holder: object) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The scale and shift of a norm; None if it has none, or they are on meta or lazy."""
    module = _at_rest(holder)
    scale, shift = getattr(module, "weight", None), getattr(module, "bias", None)
    return (scale, shift) if _has_numbers(scale) and _has_numbers(shift) else None


def _at_rest(holder: object) -> object:
    """The module, or a copy of one that computes its weights at each read, and may change then."""
    changes = isinstance(holder, nn.Module) and is_parametrized(holder)
    return copy.deepcopy(holder).eval() if changes else holder  # type: ignore[attr-defined]


def _has_numbers(tensor: object) -> TypeGuard[torch.Tensor]:
    return isinstance(tensor, torch.Tensor) and not is_lazy(tensor) and not tensor.is_meta
