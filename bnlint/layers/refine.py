"""What the table alone can't tell: the kind of an operation in the light of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bnlint.domain.graph import Value
from bnlint.layers.calls import Call, State, name_of
from bnlint.layers.of_calls import arguments_of
from bnlint.layers.table import Kind, Table

_SPATIAL_DIMS = frozenset(
    {(2, 3), (-2, -1), (-1, -2), (3, 2), (2, 3, 4), (-3, -2, -1), (-1, -2, -3)}
)
_WITH_CONSTANT = frozenset({"add", "product", "arithmetic"})
_SCALING = frozenset(
    {
        "add",
        "iadd",
        "radd",
        "sub",
        "isub",
        "rsub",
        "subtract",
        "mul",
        "imul",
        "rmul",
        "multiply",
        "div",
        "idiv",
        "truediv",
        "itruediv",
        "rtruediv",
        "divide",
        "true_divide",
    }
)


def refine(
    kind: Kind, facts: Mapping[str, Value], call: Call, table: Table, data_inputs: int
) -> Kind:
    """The kind with the tags its facts and arguments bring; ``data_inputs`` counts its tensors."""
    name = name_of(call.target)
    if kind.name in _WITH_CONSTANT and data_inputs == 1:
        kind = _with_constant(kind, name, call, table)
    if kind.name == "reduce" and name.strip("_") == "mean" and facts.get("dim") in _SPATIAL_DIMS:
        kind = table.kind("globalpool")
    extra = _extra_tags(kind, facts)
    return Kind(kind.name, kind.tags | extra) if extra else kind


def _with_constant(kind: Kind, name: str, call: Call, table: Table) -> Kind:
    plain = name.removeprefix("__").rstrip("_")
    if plain in ("clamp", "clip", "clamp_min", "maximum"):
        return _clamp(kind, name, call, table)
    if plain in _SCALING and not _doubles(call):
        return table.kind("scale")
    return kind


def _doubles(call: Call) -> bool:
    """True for ``x + x`` and ``x * x``: one source, read twice."""
    return sum(1 for _ in call.refs()) > 1 and not any(
        isinstance(a, (int, float, State)) for a in call.args
    )


def _clamp(kind: Kind, name: str, call: Call, table: Table) -> Kind:
    arguments: Mapping[str, Any] = arguments_of(name, call.args, call.kwargs)
    if arguments.get("min") == 0:
        return table.kind("relu" if arguments.get("max") is None else "relu6")
    return kind


def _extra_tags(kind: Kind, facts: Mapping[str, Value]) -> set[str]:
    tags = {
        name for name in ("depthwise", "pointwise", "lazy", "frozen") if facts.get(name) is True
    }
    if "norm" in kind.tags and "activation" in facts:
        tags |= {"fused", "activation"}
    if kind.name in ("dropout", "droppath") and _does_nothing(facts):
        tags.add("passthrough")
    if facts.get("global") is True:
        tags.add("globalpool")
    return tags


def _does_nothing(facts: Mapping[str, Value]) -> bool:
    return facts.get("p") == 0 or (facts.get("training") is False and "composite" not in facts)
