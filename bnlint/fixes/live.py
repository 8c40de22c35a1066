"""The repair of a live model: torch.fx rewrites its graph, and its weights are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from bnlint.config import Settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Finding
from bnlint.domain.graph import ModelGraph, Op, Value
from bnlint.domain.phrases import first_line
from bnlint.edits import NoEdit, behind, norms_after
from bnlint.engine.check import check_graph
from bnlint.graph.view import View
from bnlint.layers.calls import name_of
from bnlint.layers.signatures import parameters_of
from bnlint.layers.table import Table, builtin_table, is_leaf
from bnlint.pipeline import live_rules, trace_live
from bnlint.tracing.bare import copied
from bnlint.tracing.process_state import process_state

KEY = "bnlint"
"""Where ``GraphModule.meta`` says what was ``done``, and what was ``refused`` and why."""
_ROUNDS = 500
"""A round ends with a change of the graph: far more rounds than norms would be a cycle."""
_ATTRIBUTES = frozenset(("momentum", "eps", "inplace"))
_DEFAULTS = {"eps": 1e-5}


def repair(model: nn.Module, inputs: Any, name: str, settings: Settings) -> fx.GraphModule:
    """A repaired copy of ``model``; see :func:`bnlint.repair`.

    Raises
    ------
    UsageError
        When ``model`` is no model, or torch.fx cannot trace it.

    """
    with process_state():
        return _repaired(model, inputs, name, settings)


def _repaired(model: nn.Module, inputs: Any, name: str, settings: Settings) -> fx.GraphModule:
    graph = trace_live(model, inputs, name, settings.layers)
    repaired = _to_graph_module(model, builtin_table().extended(settings.layers))
    rules, facts = live_rules(settings).chosen(), settings.for_rules()
    done: dict[str, None] = {}
    refused: dict[str, str] = {}
    for _ in range(_ROUNDS):
        if not _round(repaired, graph, check_graph(graph, rules, facts).findings, done, refused):
            break
        repaired.graph.lint()
        repaired.recompile()
        graph = trace_live(repaired, inputs, graph.ref.name, settings.layers)
    repaired.delete_all_unused_submodules()
    repaired.meta[KEY] = {"done": tuple(done), "refused": refused}
    return repaired


def _round(
    repaired: fx.GraphModule,
    graph: ModelGraph,
    findings: tuple[Finding, ...],
    done: dict[str, None],
    refused: dict[str, str],
) -> bool:
    """Repairs up to the first change of the graph, after which it must be checked again."""
    changed = False
    ops = {op.id: op for op in graph.ops}
    for finding in findings:
        remedy = finding.remedy
        action = ACTIONS.get(remedy.action) if remedy else None
        named = f"{finding.rule} {finding.layer}"
        if remedy is None or action is None or named in refused:
            continue
        layers = {role: ops[id_] for role, id_ in remedy.ops.items() if id_ in ops}
        try:
            done[f"{named}: {action(Repair(repaired, graph, layers, remedy.arguments))}"] = None
        except NoEdit as error:
            refused[named] = str(error)
            continue
        changed = True
        if remedy.action in _REWIRING:
            break
    return changed


class _LeafTracer(fx.Tracer):
    """Traces into every module but the layers that bnlint knows."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_leaf(m, self._table)


def _to_graph_module(model: nn.Module, table: Table) -> fx.GraphModule:
    """The model's copy as a GraphModule, with its weights, on its device and in its modes."""
    if patched := [n for n, m in model.named_modules() if "forward" in vars(m)]:
        raise _untraceable(f"forward of {patched[0] or 'it'} is replaced")
    if any(map(is_lazy, model.parameters())):
        raise _untraceable("it has lazy layers, which get their weights in the first forward")
    twin = copied(model, {}, lambda tensor: tensor.detach().clone())
    if twin is None:
        raise _untraceable("it cannot be copied")
    try:
        graph = _LeafTracer(table).trace(twin)
    except Exception as error:  # the user's forward may raise anything
        raise _untraceable(first_line(error)) from error
    made = fx.GraphModule(twin, graph, type(model).__name__)
    made.training = model.training
    return made


def _untraceable(reason: str) -> UsageError:
    message = f"torch.fx cannot trace the model, so it is not repaired: {reason}"
    hint = "`bnlint --fix` fixes the source instead, whatever forward does"
    return UsageError(Mistake(message, hint=hint))


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


def _set_argument(repair: Repair) -> str:
    op, name, value = repair.op("of"), repair.arguments["name"], repair.arguments["to"]
    if name == "bias" and value is False:
        return _drop_bias(repair, op)
    if name == "inplace" and op.layer != op.module:
        _without_inplace(_node_of(repair, op))
        return "no longer in place"
    if name not in _ATTRIBUTES:
        raise NoEdit(f"{name} decides which weights a layer has; build the model again")
    setattr(repair.module(op), str(name), value)
    return f"{name} is {value}"


def _move_argument(repair: Repair) -> str:
    module: Any = repair.module(repair.op("of"))
    name, to, value = (str(repair.arguments[k]) for k in ("name", "to", "value"))
    if name not in _DEFAULTS or to not in _ATTRIBUTES:
        raise NoEdit(f"{to} decides which weights a layer has; build the model again")
    setattr(module, name, _DEFAULTS[name])
    setattr(module, to, repair.arguments["value"])
    return f"{to} is {value}"


def _drop_bias(repair: Repair, kernel: Op) -> str:
    """Removes the bias of a kernel, and lowers the running mean of the norms that read it.

    In train mode the norms cancel it anyway; in eval mode ``y - (mean - bias)`` equals
    ``y + bias - mean``.
    """
    norms = norms_after(View(repair.graph), kernel)
    _must_be_called_once(kernel, *norms)
    module, modules = repair.module(kernel), [repair.module(norm) for norm in norms]
    bias = getattr(module, "bias", None)
    if not isinstance(bias, nn.Parameter) or "bias" not in module._parameters:
        raise NoEdit("its bias is no plain parameter")
    means = [m for n in modules if (m := getattr(n, "running_mean", None)) is not None]
    if any(m.shape != bias.shape for m in means):
        raise NoEdit("the norm has other channels than the bias")
    with torch.no_grad():
        for mean in means:
            mean.sub_(bias.to(mean.dtype))
    module.register_parameter("bias", None)
    return f"bias folded into the running mean of {', '.join(n.layer for n in norms)}"


def _remove(repair: Repair) -> str:
    """Removes the second of two norms; the first takes over its scale and shift."""
    op = repair.op("of")
    node = _node_of(repair, op)
    before_it = behind(View(repair.graph), op)
    before = next((o for o in before_it if "passthrough" not in o.tags), None)
    if before is None or "norm" not in before.tags:
        raise NoEdit("there is no norm before it to take over its scale and shift")
    _must_be_called_once(op, before)
    _merge_norms(repair.module(before), repair.module(op))
    node.replace_all_uses_with(node.all_input_nodes[0])
    repair.model.graph.erase_node(node)
    return f"merged into {before.layer}"


def _swap(repair: Repair) -> str:
    """Exchanges what two nodes of a chain do to their first arguments."""
    first, second = repair.op("first"), repair.op("second")
    path = [op.id for op in behind(View(repair.graph), second)]
    if first.id not in path:
        raise NoEdit(f"`{first.layer}` does not come directly before `{second.layer}`")
    late = early = _node_of(repair, second)
    for _ in range(path.index(first.id) + 1):
        before = early.all_input_nodes
        if len(before) != 1 or len(before[0].users) != 1:
            raise NoEdit("something else reads what lies between the two")
        early = before[0]
    if not early.args or not late.args:
        raise NoEdit("the input of one of the two is no plain argument")
    does = [(node.op, node.target, node.args[1:], node.kwargs) for node in (early, late)]
    for node, (op, target, rest, kwargs) in zip((late, early), does, strict=True):
        node.op, node.target, node.kwargs = op, target, kwargs
        node.args = (node.args[0], *rest)
    return f"swapped with {first.layer}"


def _must_be_called_once(*ops: Op) -> None:
    for op in ops:
        if op.facts.get("calls", 1) != 1:
            raise NoEdit(f"{op.layer} is called more than once")


def _node_of(repair: Repair, op: Op) -> fx.Node:
    """The node of an op: by its path and the number of its call, or as the n-th of its function."""
    nodes = repair.model.graph.nodes
    if op.layer == op.module:
        index, count = op.facts.get("call-index", 0), op.facts.get("calls", 1)
        fitting = [n for n in nodes if n.op == "call_module" and n.target == op.module]
    else:
        functions = [o for o in repair.graph.ops if o.layer != o.module and o.types]
        same = [o for o in functions if _short(o) == _short(op)]
        index, count = same.index(op), len(same)
        calls = [n for n in nodes if n.op in ("call_function", "call_method")]
        fitting = [n for n in calls if name_of(n.target) == _short(op)]
    if len(fitting) != count or not isinstance(index, int):
        raise NoEdit(f"{op.layer} is not found in the graph of torch.fx")
    node: fx.Node = fitting[index]
    return node


def _short(op: Op) -> str:
    return op.types[0].rpartition(".")[2]


def _without_inplace(node: fx.Node) -> None:
    if node.op == "call_method":
        node.target = str(node.target).rstrip("_")
        return
    if "inplace" in node.kwargs:
        node.kwargs = {k: v for k, v in node.kwargs.items() if k != "inplace"}
        return
    names = parameters_of(f"torch.nn.functional.{name_of(node.target)}")
    index = names.index("inplace") if "inplace" in names else len(node.args)
    if index >= len(node.args):
        raise NoEdit("it is in place by its name")
    node.args = (*node.args[:index], False, *node.args[index + 1 :])


def _merge_norms(first: nn.Module, second: nn.Module) -> None:
    """Sets the scale and shift of ``first`` to those of both norms together in eval mode.

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


ACTIONS: Mapping[str, Callable[[Repair], str]] = {
    "set-argument": _set_argument,
    "move-argument": _move_argument,
    "remove": _remove,
    "swap": _swap,
}
"""Functions that apply a remedy and say so; unused layers are removed anyway."""
_REWIRING = ("remove", "swap")
"""Actions that change the graph."""
