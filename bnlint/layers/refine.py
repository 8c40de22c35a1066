"""What a name alone does not say: the kind of an operation in the light of its arguments."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.domain.graph import Value
from bnlint.layers.calls import Call, State, dotted_name, is_module, name_of, schema_of
from bnlint.layers.of_calls import arguments_of
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
    return _of_operator(found, call, table)


def _of_operator(kind: Kind, call: Call, table: Table) -> Kind:
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
    if kind.tags & having("acts", "scaling") and data_inputs == 1:
        kind = _with_constant(kind, name, call, table)
    if kind.name == "reduce" and name.strip("_") == "mean" and facts.get("dim") in _SPATIAL_DIMS:
        kind = table.kind("globalpool")
    extra = _extra_tags(kind, facts)
    return Kind(kind.name, kind.tags | extra) if extra else kind


def _with_constant(kind: Kind, name: str, call: Call, table: Table) -> Kind:
    plain = name.removeprefix("__").rstrip("_")
    if plain in ("clamp", "clip", "clamp_min", "maximum"):
        return _clamp(kind, call, table)
    if plain in _SCALING and not _doubles(call):
        return table.kind("scale")
    return kind


def _doubles(call: Call) -> bool:
    """True for ``x + x`` and ``x * x``: one source, read twice."""
    return sum(1 for _ in call.refs()) > 1 and not any(
        isinstance(a, (int, float, State)) for a in call.args
    )


def _clamp(kind: Kind, call: Call, table: Table) -> Kind:
    arguments = arguments_of(call.target, call.args, call.kwargs)
    if arguments.get("min") == 0:
        return table.kind("relu" if arguments.get("max") is None else "relu6")
    return kind


def _extra_tags(kind: Kind, facts: Mapping[str, Value]) -> set[str]:
    tags = {
        name for name in ("depthwise", "pointwise", "lazy", "frozen") if facts.get(name) is True
    }
    if "norm" in kind.tags and "activation" in facts:
        tags |= {"fused", "activation"}
    if kind.tags & having("facts", "p") and _does_nothing(facts):
        tags.add("passthrough")
    if facts.get("global") is True:
        tags.add("globalpool")
    return tags


def _does_nothing(facts: Mapping[str, Value]) -> bool:
    return facts.get("p") == 0 or (facts.get("training") is False and "composite" not in facts)
