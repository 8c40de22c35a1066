"""Each remedy done to a GraphModule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from bnlint.domain.graph import ModelGraph, Op, Value
from bnlint.fixes.flow import norm_before, norms_behind, steps_between
from bnlint.fixes.live import weights
from bnlint.fixes.live.nodes import chain_back, exchange, node_of, without_inplace
from bnlint.fixes.plan import Refused

__all__ = ["ACTIONS", "Refused", "Repair"]

_ATTRIBUTES = frozenset(("momentum", "eps", "inplace"))
_DEFAULTS = {"eps": 1e-5}


@dataclass(frozen=True, slots=True)
class Repair:
    """One remedy: the model, the graph that was checked, the ops by role, and values."""

    model: fx.GraphModule
    graph: ModelGraph
    layers: Mapping[str, Op]
    arguments: Mapping[str, Value]

    def op(self, role: str) -> Op:
        """The op of a role; raises Refused where the layer is not called."""
        if role not in self.layers:
            raise Refused("the layer is not called")
        return self.layers[role]

    def module(self, op: Op) -> nn.Module:
        """The module of an op; raises Refused for a function."""
        if op.layer != op.module:
            raise Refused(f"{op.layer} is a function")
        return self.model.get_submodule(op.module)


@dataclass(frozen=True, slots=True)
class LiveAction:
    """What is done, saying it; ``rewires`` where the graph is another one afterwards."""

    do: Callable[[Repair], str]
    rewires: bool = False


def _set_argument(repair: Repair) -> str:
    op, name, value = repair.op("of"), repair.arguments["name"], repair.arguments["to"]
    if name == "bias" and value is False:
        return _drop_bias(repair, op)
    if name == "inplace" and op.layer != op.module:
        without_inplace(node_of(repair.model, repair.graph, op))
        return "no longer in place"
    if name not in _ATTRIBUTES:
        raise Refused(f"{name} decides which weights a layer has; build the model anew")
    setattr(repair.module(op), str(name), value)
    return f"{name} is {value}"


def _move_argument(repair: Repair) -> str:
    module: Any = repair.module(repair.op("of"))
    name, to, value = (str(repair.arguments[k]) for k in ("name", "to", "value"))
    if name not in _DEFAULTS or to not in _ATTRIBUTES:
        raise Refused(f"{to} decides which weights a layer has; build the model anew")
    setattr(module, name, _DEFAULTS[name])
    setattr(module, to, repair.arguments["value"])
    return f"{to} is {value}"


def _drop_bias(repair: Repair, kernel: Op) -> str:
    """The bias gone, and the running means behind it lowered by it."""
    norms = norms_behind(repair.graph, kernel)
    for op in (kernel, *norms):
        if op.facts.get("calls", 1) != 1:
            raise Refused(f"{op.layer} is called more than once")
    weights.drop_bias(repair.module(kernel), [repair.module(n) for n in norms])
    named = ", ".join(n.layer for n in norms)
    return f"bias folded into the running mean of {named}"


def _remove(repair: Repair) -> str:
    """The second of two norms gone, its scale and shift taken over by the first."""
    op = repair.op("of")
    node = node_of(repair.model, repair.graph, op)
    before = norm_before(repair.graph, op)
    if before is None:
        raise Refused("there is no norm before it to take over its scale and shift")
    for each in (op, before):
        if each.facts.get("calls", 1) != 1:
            raise Refused(f"{each.layer} is called more than once")
    weights.merge_norms(repair.module(before), repair.module(op))
    node.replace_all_uses_with(node.all_input_nodes[0])
    repair.model.graph.erase_node(node)
    return f"merged into {before.layer}"


def _swap(repair: Repair) -> str:
    first, second = repair.op("first"), repair.op("second")
    steps = steps_between(repair.graph, first, second)
    late = node_of(repair.model, repair.graph, second)
    exchange(chain_back(late, steps), late)
    return f"swapped with {first.layer}"


ACTIONS: Mapping[str, LiveAction] = {
    "set-argument": LiveAction(_set_argument),
    "move-argument": LiveAction(_move_argument),
    "remove": LiveAction(_remove, rewires=True),
    "swap": LiveAction(_swap, rewires=True),
}
"""Remedies that can be done to a model that is built; layers that are not used go by themselves."""
