"""Nodes of an fx graph: found for ops of bnlint's graph, exchanged, changed."""

from __future__ import annotations

from typing import Any

from torch import fx

from bnlint.domain.graph import ModelGraph, Op
from bnlint.edits import NoEdit
from bnlint.layers.signatures import parameters_of

_CALLS = ("call_function", "call_method")


def node_of(model: fx.GraphModule, graph: ModelGraph, op: Op) -> fx.Node:
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


def chain_back(node: fx.Node, steps: int) -> fx.Node:
    """The node that many steps before, each of which is the only reader of the one before it."""
    for _ in range(steps):
        before = node.all_input_nodes
        if len(before) != 1 or len(before[0].users) != 1:
            raise NoEdit("something else reads what lies between the two")
        node = before[0]
    return node


def exchange(first: fx.Node, second: fx.Node) -> None:
    """Exchanges what two nodes of a chain do to their first arguments."""
    if not first.args or not second.args:
        raise NoEdit("the input of one of the two is no plain argument")
    mine, other = _does(first), _does(second)
    _let(first, other)
    _let(second, mine)


def without_inplace(node: fx.Node) -> None:
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
    target = node.target
    return target if isinstance(target, str) else str(getattr(target, "__name__", target))
