"""What an operation says about itself: the own facts of a layer or of a function's arguments.

Fact names are the contract with the rules; a fact that can't be read is left out, never guessed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import Value
from bnlint.tracing.classify import Kind, Table
from bnlint.tracing.record import State

Facts = dict[str, Value]


def module_facts(module: nn.Module, kind: Kind, table: Table) -> Facts:
    """The facts of a classified layer, read from its attributes."""
    facts: Facts = {}
    if "kernel" in kind.tags:
        facts.update(_kernel(module, kind))
    if "norm" in kind.tags:
        facts.update(_norm(module, kind, table))
    if "activation" in kind.tags:
        facts["saturating"] = "saturating" in kind.tags
    if kind.name in ("dropout", "droppath"):
        facts.update(_named(module, p=("p", "drop_prob")))
    facts.update(_named(module, inplace=("inplace",)))
    if "pooling" in kind.tags:
        facts.update(_pooling(module))
    if kind.name in ("softmax", "logsoftmax", "flatten"):
        facts.update(_named(module, dim=("dim",), **{"start-dim": ("start_dim",)}))
    if kind.name == "recurrent":
        facts.update(_named(module, **{"channels-last": ("batch_first",)}))
    if kind.name == "embedding":
        facts.update(_named(module, **{"out-channels": ("embedding_dim",)}))
    return facts


def trainable(module: nn.Module) -> bool:
    """True when at least one parameter of the module takes gradients."""
    return any(p.requires_grad for p in parameters_of(module))


def parameters_of(module: nn.Module) -> list[nn.Parameter]:
    """All parameters of a module; a layer without layers of its own, as most are, is not walked."""
    if module._modules:
        return list(module.parameters())
    return [p for p in module._parameters.values() if p is not None]


def _named(module: nn.Module, **names: tuple[str, ...]) -> Facts:
    """Facts read from the first attribute that exists with a plain value."""
    facts: Facts = {}
    for fact, attributes in names.items():
        for attribute in attributes:
            value = getattr(module, attribute, None)
            if isinstance(value, (bool, int, float, str)):
                facts[fact] = value
                break
    return facts


def _kernel(module: nn.Module, kind: Kind) -> Facts:
    weight = _parameter(module, "weight")
    lazy = is_lazy(weight)
    facts: Facts = {"lazy": lazy, "transposed": "transposed" in kind.tags}
    channels: dict[str, tuple[str, ...]] = {
        "in-channels": ("in_channels", "in_features", "in1_features", "nx"),
        "out-channels": ("out_channels", "out_features", "nf"),
    }
    facts.update(_named(module, **channels))
    if lazy:
        facts.pop("in-channels", None)
    if weight is not None and "weight" not in {**module._parameters, **module._buffers}:
        facts["parametrized"] = True  # computed at each call, as by weight norm, old or new
    bias = getattr(module, "bias", None)
    facts["bias"] = bias is not None and not (isinstance(bias, bool) and not bias)
    if "conv" in kind.tags:
        facts.update(_conv(module, facts))
    else:
        facts.update(groups=1, depthwise=False, pointwise=True)
    return facts


def _conv(module: nn.Module, facts: Facts) -> Facts:
    found: Facts = {}
    for name in ("kernel_size", "stride", "padding", "dilation"):
        value = getattr(module, name, None)
        if isinstance(value, (int, str)):
            found[name.replace("_", "-")] = value
        elif isinstance(value, tuple):
            found[name.replace("_", "-")] = tuple(map(_plain, value))
    groups = getattr(module, "groups", 1)
    found["groups"] = groups if isinstance(groups, int) else 1
    found.update(_shape_of_kernel(found, facts))
    return found


def _shape_of_kernel(found: Facts, facts: Facts) -> Facts:
    size = found.get("kernel-size")
    entries = size if isinstance(size, tuple) else (size,)
    groups = found.get("groups")
    return {
        "pointwise": all(s == 1 for s in entries),
        "depthwise": groups != 1 and groups == facts.get("in-channels"),
    }


def _norm(module: nn.Module, kind: Kind, table: Table) -> Facts:
    weight = _parameter(module, "weight")
    facts: Facts = {"frozen": "frozen" in kind.tags, "affine": weight is not None}
    affine = getattr(module, "affine", getattr(module, "elementwise_affine", None))
    if isinstance(affine, bool) and "frozen" not in kind.tags:
        facts["affine"] = affine
    facts.update(_norm_channels(module, weight))
    facts.update(_named(module, eps=("eps",)))
    if "batchnorm" in kind.tags or kind.name == "instancenorm":
        momentum = getattr(module, "momentum", None)
        facts["momentum"] = momentum if isinstance(momentum, (int, float)) else None
        facts.update(_named(module, tracks=("track_running_stats",)))
    rank = kind.name[-2:]
    if rank in ("1d", "2d", "3d") and "batchnorm" in kind.tags:
        facts["rank"] = int(rank[0])
    elif kind.name == "instancenorm" and type(module).__name__[-2:] in ("1d", "2d", "3d"):
        facts["rank"] = int(type(module).__name__[-2])
    if kind.name == "groupnorm":
        facts.update(_named(module, groups=("num_groups",)))
    facts.update(_fused(module, table))
    return facts


def _norm_channels(module: nn.Module, weight: Any) -> Facts:
    if is_lazy(weight):
        return {"lazy": True}
    shape = getattr(module, "normalized_shape", None)
    if isinstance(shape, tuple) and shape:
        return {"channels": _plain(shape[-1]), "normalized-shape": tuple(map(_plain, shape))}
    found = _named(module, channels=("num_features", "num_channels"))
    if not found and isinstance(weight, torch.Tensor) and weight.ndim == 1:
        found = {"channels": weight.shape[0]}
    if found.get("channels") == 0:
        return {"lazy": True}
    return found


def _fused(module: nn.Module, table: Table) -> Facts:
    """The activation that a norm layer applies itself, as those of model libraries do."""
    for child in module._modules.values():
        kind = table.of_module(child) if child is not None else None
        if kind is not None and "activation" in kind.tags:
            return {"activation": kind.name}
    found = getattr(module, "activation", None)
    if isinstance(found, str) and found not in ("identity", "none", "linear", ""):
        return {"activation": found}
    return {}


def _pooling(module: nn.Module) -> Facts:
    facts: Facts = {}
    size = getattr(module, "output_size", None)
    if size is not None:
        entries = size if isinstance(size, (tuple, list)) else (size,)
        facts["global"] = all(s == 1 for s in entries)
    facts.update(_pool_padding(vars(module)))
    return facts


def _pool_padding(settings: Mapping[str, Any]) -> Facts:
    """The zeros that an average pool counts in; nothing for pools that leave their padding out."""
    padding = settings.get("padding", 0) if settings.get("count_include_pad", True) else 0
    if isinstance(padding, (tuple, list)):
        return {"padding": tuple(map(_plain, padding))}
    return {"padding": padding} if isinstance(padding, int) else {}


def _parameter(module: nn.Module, name: str) -> Any:
    """A parameter or buffer of any kind; None where it is missing or not a tensor."""
    value = getattr(module, name, None)
    return value if isinstance(value, torch.Tensor) else None


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else int(value)


# --- functions -----------------------------------------------------------------------------------

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
        facts.update(_pool_padding(arguments))
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
