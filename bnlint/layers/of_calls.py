"""What a call of a function or tensor method says about itself, read from its arguments.

Fact names are the contract with the rules; a fact that can't be read is left out, never guessed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from torch.nn import functional

from bnlint.layers.calls import State
from bnlint.layers.of_modules import Facts, pool_padding
from bnlint.layers.table import Kind

_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups")
_AVERAGE = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
_SIGNATURES: Mapping[str, tuple[str, ...]] = {
    # builtins have no signature; the names of the arguments that facts are read from
    "conv1d": _CONV,
    "conv2d": _CONV,
    "conv3d": _CONV,
    "conv_transpose1d": _TRANSPOSED,
    "conv_transpose2d": _TRANSPOSED,
    "conv_transpose3d": _TRANSPOSED,
    "linear": ("input", "weight", "bias"),
    "softmax": ("input", "dim"),
    "log_softmax": ("input", "dim"),
    "clamp": ("input", "min", "max"),
    "clamp_": ("input", "min", "max"),
    "clip": ("input", "min", "max"),
    "clamp_min": ("input", "min"),
    "cat": ("tensors", "dim"),
    "concat": ("tensors", "dim"),
    "concatenate": ("tensors", "dim"),
    "stack": ("tensors", "dim"),
    "flatten": ("input", "start_dim", "end_dim"),
    "mean": ("input", "dim", "keepdim"),
    "sum": ("input", "dim", "keepdim"),
    "amax": ("input", "dim", "keepdim"),
    "transpose": ("input", "dim0", "dim1"),
    "chunk": ("input", "chunks", "dim"),
    "split": ("input", "size", "dim"),
    "avg_pool1d": _AVERAGE,
    "avg_pool2d": _AVERAGE,
    "avg_pool3d": _AVERAGE,
    "adaptive_avg_pool1d": ("input", "output_size"),
    "adaptive_avg_pool2d": ("input", "output_size"),
    "adaptive_avg_pool3d": ("input", "output_size"),
}


def arguments_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a function call by name, with the defaults of ``torch.nn.functional``."""
    names = _SIGNATURES.get(name)
    if names is not None:
        return dict(zip(names, args, strict=False)) | kwargs
    signature = _signature(name)
    if signature is None:
        return dict(kwargs)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return dict(kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


@lru_cache(maxsize=256)
def _signature(name: str) -> inspect.Signature | None:
    function: Callable[..., Any] | None = getattr(functional, name, None)
    if function is None:
        return None
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def function_facts(name: str, kind: Kind, arguments: Mapping[str, Any]) -> Facts:
    """The facts of a function or tensor method, read from the arguments of the call."""
    facts: Facts = {}
    if "kernel" in kind.tags:
        facts.update(_functional_kernel(arguments, kind))
    if "norm" in kind.tags:
        facts.update(_functional_norm(arguments, kind))
    if "activation" in kind.tags:
        facts["saturating"] = "saturating" in kind.tags
        facts["inplace"] = _is_inplace(name) or arguments.get("inplace") is True
    elif _is_inplace(name):
        facts["inplace"] = True
    if kind.name in ("dropout", "droppath"):
        facts.update(_plain_facts(arguments, "p", "training"))
    if kind.name in ("softmax", "logsoftmax", "concat", "stack", "reduce", "split"):
        facts.update(_plain_facts(arguments, "dim"))
    if kind.name in ("concat", "stack"):
        facts.setdefault("dim", 0)
    if kind.name == "flatten":
        facts.update(_plain_facts({"start-dim": arguments.get("start_dim", 0)}, "start-dim"))
    if "pooling" in kind.tags and "output_size" in arguments:
        size = arguments["output_size"]
        entries = size if isinstance(size, (tuple, list)) else (size,)
        facts["global"] = all(s == 1 for s in entries)
    if kind.name == "avgpool":
        facts.update(pool_padding(arguments))
    return facts


def _is_inplace(name: str) -> bool:
    if name.startswith("__i"):
        return True
    return name.endswith("_") and not name.endswith("__")


def _plain_facts(arguments: Mapping[str, Any], *names: str) -> Facts:
    facts: Facts = {}
    for name in names:
        value = arguments.get(name)
        if isinstance(value, (bool, int, float, str)):
            facts[name] = value
        elif isinstance(value, (tuple, list)) and all(isinstance(v, int) for v in value):
            facts[name] = tuple(value)
    return facts


def _functional_kernel(arguments: Mapping[str, Any], kind: Kind) -> Facts:
    facts: Facts = {"transposed": "transposed" in kind.tags, "bias": _given(arguments, "bias")}
    groups = arguments.get("groups", 1)
    facts["groups"] = groups if isinstance(groups, int) else 1
    weight = arguments.get("weight")
    if isinstance(weight, State) and len(weight.shape) >= 2:
        facts.update(_weight_shape(weight.shape, kind, facts["groups"]))
    return facts


def _weight_shape(shape: tuple[int, ...], kind: Kind, groups: Any) -> Facts:
    first, second, *size = shape
    if "transposed" in kind.tags:
        inner, outer = first, second * groups
    else:
        inner, outer = second * groups, first
    facts: Facts = {"in-channels": inner, "out-channels": outer}
    if "conv" in kind.tags:
        facts["kernel-size"] = tuple(size)
    facts["pointwise"] = all(s == 1 for s in size)
    facts["depthwise"] = groups != 1 and groups == inner
    return facts


def _functional_norm(arguments: Mapping[str, Any], kind: Kind) -> Facts:
    facts: Facts = {"frozen": False, "affine": _given(arguments, "weight")}
    facts.update(_plain_facts(arguments, "eps"))
    if "batchnorm" in kind.tags:
        momentum = arguments.get("momentum", 0.1)
        facts["momentum"] = momentum if isinstance(momentum, (int, float)) else None
        facts["tracks"] = _given(arguments, "running_mean")
        facts["frozen"] = arguments.get("training") is False and facts["tracks"] is True
    for name in ("running_mean", "weight"):
        state = arguments.get(name)
        if isinstance(state, State) and state.shape:
            facts["channels"] = state.shape[-1]
            break
    return facts


def _given(arguments: Mapping[str, Any], name: str) -> bool:
    return arguments.get(name) is not None
