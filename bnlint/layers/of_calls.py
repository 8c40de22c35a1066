"""What a call says: its kind in the light of its arguments, and the facts of functions.

Fact names are the contract with the rules; a fact that can't be read is left out, never guessed.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from bnlint.domain.graph import Value
from bnlint.layers.calls import Call, State, dotted_name, is_module, name_of, schema_of
from bnlint.layers.of_modules import Facts, is_one, pool_padding
from bnlint.layers.signatures import arguments_of_builtin
from bnlint.layers.table import Kind, Table, having

_SPATIAL_DIMS = frozenset(
    {(2, 3), (-2, -1), (-1, -2), (3, 2), (2, 3, 4), (-3, -2, -1), (-1, -2, -3)}
)
_SCALING = frozenset(
    {
        *("add", "iadd", "radd", "sub", "isub", "rsub", "subtract"),
        *("mul", "imul", "rmul", "multiply"),
        *("div", "idiv", "truediv", "itruediv", "rtruediv", "divide", "true_divide"),
    }
)
_RENAMED = {"self": "input", "train": "training", "use_input_stats": "training"}
"""What operators call differently from ``torch.nn.functional``."""


def arguments_of(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a function call by name, with the defaults of ``torch.nn.functional``.

    ``target`` is the function or its plain name.
    """
    name = name_of(target)
    schema = schema_of(target)
    if schema is not None:
        return _arguments_of_operator(name, schema, args, kwargs)
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


def _arguments_of_operator(
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

    try:
        return inspect.signature(getattr(functional, name))
    except (AttributeError, TypeError, ValueError):
        return None


def kind_of(call: Call, table: Table) -> Kind | None:
    """The kind of a call's layer or function; None for one that the table does not know."""
    if is_module(call.target):
        return table.of_module(call.target)
    name = name_of(call.target)
    if call.target is getattr and len(call.args) > 1:
        name = str(call.args[1])  # the property: x.T
    found = table.of_function(name, dotted_name(call.target))
    if found is None or schema_of(call.target) is None:
        return found
    return _kind_of_operator(found, call, table)


def _kind_of_operator(kind: Kind, call: Call, table: Table) -> Kind:
    """The kind that a layer has which was exported as this operator."""
    arguments = arguments_of(call.target, call.args, call.kwargs)
    weight = arguments.get("weight")
    if kind.name == "conv" and isinstance(weight, State):
        turned = "transpose" if arguments.get("transposed") is True else ""
        return table.kind(f"conv{turned}{len(weight.shape) - 2}d")
    if kind.name == "matmul" and isinstance(weight, State):
        return table.kind("linear")
    if kind.name == "hardtanh" and arguments.get("min_val") == 0:
        return table.kind("relu6")
    result = call.value[0] if isinstance(call.value, (tuple, list)) else call.value
    if kind.name == "batchnorm" and hasattr(result, "ndim"):
        return table.kind(f"batchnorm{max(result.ndim - 2, 1)}d")
    return kind


def refine(
    kind: Kind, facts: Mapping[str, Value], call: Call, table: Table, data_inputs: int
) -> Kind:
    """The kind with the tags of its facts and arguments; ``data_inputs`` counts its tensors."""
    name = name_of(call.target)
    if data_inputs == 1 and not kind.tags.isdisjoint(having("acts", "scaling")):
        kind = _with_constant(kind, name, call, table)
    if kind.name == "reduce" and name.strip("_") == "mean" and facts.get("dim") in _SPATIAL_DIMS:
        kind = table.kind("globalpool")
    extra = _extra_tags(kind, facts)
    return _tagged(kind, frozenset(extra)) if extra else kind


@lru_cache(maxsize=256)
def _tagged(kind: Kind, extra: frozenset[str]) -> Kind:
    return Kind(kind.name, kind.tags | extra)


def _with_constant(kind: Kind, name: str, call: Call, table: Table) -> Kind:
    plain = name.removeprefix("__").rstrip("_")
    if plain in ("clamp", "clip", "clamp_min", "maximum"):
        arguments = arguments_of(call.target, call.args, call.kwargs)
        if arguments.get("min") == 0:
            return table.kind("relu" if arguments.get("max") is None else "relu6")
    elif plain in _SCALING:
        constant = any(isinstance(a, (int, float, State)) for a in call.args)
        if constant or len(call.refs()) < 2:  # in x + x, one source is read twice
            return table.kind("scale")
    return kind


def _extra_tags(kind: Kind, facts: Mapping[str, Value]) -> set[str]:
    flags = ("depthwise", "pointwise", "lazy", "frozen")
    tags = {name for name in flags if facts.get(name) is True}
    if "norm" in kind.tags and "activation" in facts:
        tags |= {"fused", "activation"}
    evaluates = facts.get("training") is False and "composite" not in facts
    if kind.tags & having("facts", "p") and (evaluates or facts.get("p") == 0):
        tags.add("passthrough")
    if facts.get("global") is True:
        tags.add("globalpool")
    return tags


def function_facts(name: str, kind: Kind, arguments: Mapping[str, Any]) -> Facts:
    """The facts of a function or tensor method, read from the arguments of the call."""
    facts: Facts = {}
    inplace = name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))
    if "kernel" in kind.tags:
        facts.update(_functional_kernel(arguments, kind))
    if "norm" in kind.tags:
        facts.update(_functional_norm(arguments, kind))
    if "activation" in kind.tags:
        facts["saturating"] = "saturating" in kind.tags
        facts["inplace"] = inplace or arguments.get("inplace") is True
    elif inplace:
        facts["inplace"] = True
    facts.update(_settings(kind, arguments))
    if kind.name == "attention":  # all but one of torch's functions take leading dims for batches
        facts["batch-first"] = name != "multi_head_attention_forward"
    if kind.name == "avgpool":
        facts.update(pool_padding(arguments))
    if "pooling" in kind.tags and "output_size" in arguments:
        facts["global"] = is_one(arguments["output_size"])
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
        if isinstance(joined := arguments.get("tensors"), (tuple, list)):
            facts["joined"] = len(joined)
    if kind.tags & having("facts", "start-dim"):
        facts.update(_plain_facts({"start-dim": arguments.get("start_dim", 0)}, "start-dim"))
    return facts


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
    groups = arguments.get("groups", 1)
    facts: Facts = {
        "transposed": "transposed" in kind.tags,
        "bias": arguments.get("bias") is not None,
        "groups": groups if isinstance(groups, int) else 1,
    }
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
    facts: Facts = {"frozen": False, "affine": arguments.get("weight") is not None}
    facts.update(_plain_facts(arguments, "eps"))
    if "batchnorm" in kind.tags:
        momentum = arguments.get("momentum", 0.1)
        facts["momentum"] = momentum if isinstance(momentum, (int, float)) else None
        facts["tracks"] = arguments.get("running_mean") is not None
        facts["frozen"] = arguments.get("training") is False and facts["tracks"] is True
    for name in ("running_mean", "weight"):
        state = arguments.get(name)
        if isinstance(state, State) and state.shape:
            facts["channels"] = state.shape[-1]
            break
    if isinstance(groups := arguments.get("num_groups"), int):
        facts["groups"] = groups
    return facts | _normalized_shape(arguments.get("normalized_shape"))


def _normalized_shape(shape: Any) -> Facts:
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not sizes or not all(type(size) is int for size in sizes):
        return {}
    return {"channels": sizes[-1], "normalized-shape": sizes}
