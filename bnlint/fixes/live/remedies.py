"""Each remedy applied to a GraphModule: its nodes moved, its weights adapted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from bnlint.domain.graph import ModelGraph, Op, Value
from bnlint.edits import NoEdit, behind, norms_after
from bnlint.graph.view import View
from bnlint.layers.calls import name_of
from bnlint.layers.signatures import parameters_of

__all__ = ["ACTIONS", "NoEdit", "Repair"]

_CALLS = ("call_function", "call_method")
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
        """The op of a role; raises NoEdit where the layer is not called."""
        if role not in self.layers:
            raise NoEdit("the layer is not called")
        return self.layers[role]

    def module(self, op: Op) -> nn.Module:
        """The module of an op; raises NoEdit for a function."""
        if op.layer != op.module:
            raise NoEdit(f"{op.layer} is a function")
        return self.model.get_submodule(op.module)


@dataclass(frozen=True, slots=True)
class LiveAction:
    """A function that applies a remedy and says so; ``rewires`` if it changes the graph."""

    do: Callable[[Repair], str]
    rewires: bool = False


def _set_argument(repair: Repair) -> str:
    op, name, value = repair.op("of"), repair.arguments["name"], repair.arguments["to"]
    if name == "bias" and value is False:
        return _drop_bias(repair, op)
    if name == "inplace" and op.layer != op.module:
        _without_inplace(_node_of(repair.model, repair.graph, op))
        return "no longer in place"
    if name not in _ATTRIBUTES:
        raise NoEdit(f"{name} decides which weights a layer has; build the model anew")
    setattr(repair.module(op), str(name), value)
    return f"{name} is {value}"


def _move_argument(repair: Repair) -> str:
    module: Any = repair.module(repair.op("of"))
    name, to, value = (str(repair.arguments[k]) for k in ("name", "to", "value"))
    if name not in _DEFAULTS or to not in _ATTRIBUTES:
        raise NoEdit(f"{to} decides which weights a layer has; build the model anew")
    setattr(module, name, _DEFAULTS[name])
    setattr(module, to, repair.arguments["value"])
    return f"{to} is {value}"


def _drop_bias(repair: Repair, kernel: Op) -> str:
    """Removes the bias, and subtracts it from the running means that follow."""
    norms = norms_after(View(repair.graph), kernel)
    for op in (kernel, *norms):
        if op.facts.get("calls", 1) != 1:
            raise NoEdit(f"{op.layer} is called more than once")
    _fold_bias(repair.module(kernel), [repair.module(n) for n in norms])
    named = ", ".join(n.layer for n in norms)
    return f"bias folded into the running mean of {named}"


def _remove(repair: Repair) -> str:
    """Removes the second of two norms; the first takes over its scale and shift."""
    op = repair.op("of")
    node = _node_of(repair.model, repair.graph, op)
    view = View(repair.graph)
    before = next((o for o in behind(view, op) if "passthrough" not in o.tags), None)
    if before is None or "norm" not in before.tags:
        raise NoEdit("there is no norm before it to take over its scale and shift")
    for each in (op, before):
        if each.facts.get("calls", 1) != 1:
            raise NoEdit(f"{each.layer} is called more than once")
    _merge_norms(repair.module(before), repair.module(op))
    node.replace_all_uses_with(node.all_input_nodes[0])
    repair.model.graph.erase_node(node)
    return f"merged into {before.layer}"


def _swap(repair: Repair) -> str:
    first, second = repair.op("first"), repair.op("second")
    steps = _steps_between(repair.graph, first, second)
    late = _node_of(repair.model, repair.graph, second)
    _exchange(_chain_back(late, steps), late)
    return f"swapped with {first.layer}"


def _steps_between(graph: ModelGraph, first: Op, second: Op) -> int:
    """The number of ops from ``first`` to ``second`` along first arguments."""
    for steps, op in enumerate(behind(View(graph), second), 1):
        if op.id == first.id:
            return steps
    raise NoEdit(f"{first.layer} does not stand before {second.layer} in one line")


def _node_of(model: fx.GraphModule, graph: ModelGraph, op: Op) -> fx.Node:
    """The node of an op: by its path and the number of its call, or as the n-th of its function."""
    if op.layer == op.module:
        index = op.facts.get("call-index", 0)
        nodes = [n for n in model.graph.nodes if n.op == "call_module" and n.target == op.module]
        count = op.facts.get("calls", 1)
    else:
        name = _short(op)
        same = [o for o in graph.ops if o.layer != o.module and o.types and _short(o) == name]
        index, count = same.index(op), len(same)
        nodes = [n for n in model.graph.nodes if n.op in _CALLS and _name(n) == name]
    if len(nodes) != count or not isinstance(index, int):
        raise NoEdit(f"{op.layer} is not found in the graph of torch.fx")
    node: fx.Node = nodes[index]
    return node


def _chain_back(node: fx.Node, steps: int) -> fx.Node:
    """The node that many steps before, each of which is the only reader of the one before it."""
    for _ in range(steps):
        before = node.all_input_nodes
        if len(before) != 1 or len(before[0].users) != 1:
            raise NoEdit("something else reads what lies between the two")
        node = before[0]
    return node


def _exchange(first: fx.Node, second: fx.Node) -> None:
    """Exchanges what two nodes of a chain do to their first arguments."""
    if not first.args or not second.args:
        raise NoEdit("the input of one of the two is no plain argument")
    mine, other = _does(first), _does(second)
    _let(first, other)
    _let(second, mine)


def _without_inplace(node: fx.Node) -> None:
    """Changes a call so that it returns a new tensor."""
    if node.op == "call_method":
        node.target = str(node.target).rstrip("_")
        return
    if "inplace" in node.kwargs:
        node.kwargs = {k: v for k, v in node.kwargs.items() if k != "inplace"}
        return
    names = parameters_of(f"torch.nn.functional.{_name(node)}")
    index = names.index("inplace") if "inplace" in names else len(node.args)
    if index >= len(node.args):
        raise NoEdit("it is in place by its name")
    node.args = (*node.args[:index], False, *node.args[index + 1 :])


def _does(node: fx.Node) -> tuple[Any, ...]:
    return node.op, node.target, node.args[1:], dict(node.kwargs)


def _let(node: fx.Node, does: tuple[Any, ...]) -> None:
    node.op, node.target, rest, kwargs = does
    node.args = (node.args[0], *rest)
    node.kwargs = kwargs


def _short(op: Op) -> str:
    return op.types[0].rpartition(".")[2]


def _name(node: fx.Node) -> str:
    return name_of(node.target)


def _fold_bias(kernel: nn.Module, norms: Sequence[nn.Module]) -> None:
    """Removes the bias of a kernel, and lowers the running mean of the norms that read it.

    In train mode the norms cancel it anyway; in eval mode ``y - (mean - bias)`` equals
    ``y + bias - mean``.
    """
    bias = getattr(kernel, "bias", None)
    if not isinstance(bias, nn.Parameter) or "bias" not in kernel._parameters:
        raise NoEdit("its bias is no plain parameter")
    means = [m for n in norms if (m := getattr(n, "running_mean", None)) is not None]
    if any(m.shape != bias.shape for m in means):
        raise NoEdit("the norm has other channels than the bias")
    with torch.no_grad():
        for mean in means:
            mean.sub_(bias.to(mean.dtype))
    kernel.register_parameter("bias", None)


def _merge_norms(first: nn.Module, second: nn.Module) -> None:
    """Gives ``first`` the scale and shift that both norms have together in eval mode.

    With running mean m and variance v of the second: ``(y - m) / sqrt(v + eps) * w + b``, where y
    is what the first norm returns: its own scale and shift of normalized values.
    """
    one: Any = first
    other: Any = second
    if type(one) is not type(other):
        raise NoEdit("the two norms are of different kinds")
    if one.weight is None or one.running_mean is None or other.running_mean is None:
        raise NoEdit("one of the two norms has no scale or no running statistics")
    with torch.no_grad():
        scale = torch.rsqrt(other.running_var + other.eps)
        if other.weight is not None:
            scale = scale * other.weight
        shift = -other.running_mean * scale
        if other.bias is not None:
            shift = shift + other.bias
        one.weight.mul_(scale)
        one.bias.mul_(scale).add_(shift)


ACTIONS: Mapping[str, LiveAction] = {
    "set-argument": LiveAction(_set_argument),
    "move-argument": LiveAction(_move_argument),
    "remove": LiveAction(_remove, rewires=True),
    "swap": LiveAction(_swap, rewires=True),
}
"""Remedies for a model that is built; unused layers are removed anyway."""
