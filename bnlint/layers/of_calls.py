"""What a call of a function or tensor method says about itself, read from its arguments.

Fact names are the contract with the rules; a fact that can't be read is left out, never guessed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from bnlint.layers.calls import State, name_of, schema_of
from bnlint.layers.of_modules import Facts, is_one, pool_padding
from bnlint.layers.signatures import arguments_of_builtin
from bnlint.layers.table import Kind, having


def arguments_of(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a function call by name, with the defaults of ``torch.nn.functional``.

    ``target`` is the function or its plain name.
    """
    name = name_of(target)
    schema = schema_of(target)
    if schema is not None:
        return _of_operator(name, schema, args, kwargs)
    names = arguments_of_builtin(name)
    if names:
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


_RENAMED = {"self": "input", "train": "training", "use_input_stats": "training"}
"""What operators call differently from ``torch.nn.functional``."""


def _of_operator(
    name: str, schema: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of an operator, named as those of the function that it is the core of."""
    found = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    found |= dict(zip((a.name for a in schema.arguments), args, strict=False)) | kwargs
    found = {_RENAMED.get(k, k): v for k, v in found.items()}
    if name.endswith("_no_training"):
        found["training"] = False
    if name in ("mm", "bmm", "addmm"):
        weight = found.pop("mat2")
        if isinstance(weight, State):
            found["weight"] = replace(weight, shape=weight.shape[:-3:-1])
        if name == "addmm":
            found["bias"] = found.pop("input")
            found["input"] = found.pop("mat1")
    return found


@lru_cache(maxsize=256)
def _signature(name: str) -> inspect.Signature | None:
    from torch.nn import functional

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
    facts.update(_settings(kind, arguments))
    if "pooling" in kind.tags:
        facts.update(_pooling(kind, arguments))
    return facts


def _settings(kind: Kind, arguments: Mapping[str, Any]) -> Facts:
    """The arguments that are facts as they are."""
    facts: Facts = {}
    if kind.tags & having("facts", "p"):
        facts.update(_plain_facts(arguments, "p", "training"))
    if kind.tags & having("facts", "dim"):
        facts.update(_plain_facts(arguments, "dim"))
    if kind.name in ("concat", "stack"):
        facts.setdefault("dim", 0)
    if kind.tags & having("facts", "start-dim"):
        facts.update(_plain_facts({"start-dim": arguments.get("start_dim", 0)}, "start-dim"))
    return facts


def _pooling(kind: Kind, arguments: Mapping[str, Any]) -> Facts:
    facts = pool_padding(arguments) if kind.name == "avgpool" else {}
    if "output_size" in arguments:
        facts["global"] = is_one(arguments["output_size"])
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
    facts["pointwise"] = is_one(size)
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
