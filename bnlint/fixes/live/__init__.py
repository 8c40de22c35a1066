"""The repair of a live model: torch.fx rewrites its graph, and its weights are kept."""

from __future__ import annotations

import copy
from typing import Any

from torch import fx, nn

from bnlint.config import Settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Finding
from bnlint.domain.graph import ModelGraph
from bnlint.domain.phrases import first_line
from bnlint.engine.check import check_graph
from bnlint.fixes.live.remedies import ACTIONS, NoEdit, Repair
from bnlint.layers.table import Table, builtin_table, is_leaf
from bnlint.pipeline import live_rules, trace_live

KEY = "bnlint"
"""Where ``GraphModule.meta`` says what was ``done``, and what was ``refused`` and why."""
_ROUNDS = 500
"""A round ends with a change of the graph: far more rounds than norms would be a cycle."""


def repair(model: nn.Module, inputs: Any, name: str, settings: Settings) -> fx.GraphModule:
    """A repaired copy of ``model``; see :func:`bnlint.repair`.

    Raises
    ------
    UsageError
        When ``model`` is no model, or torch.fx cannot trace it.

    """
    graph = trace_live(model, inputs, name, settings.layers)
    repaired = _to_graph_module(model, builtin_table().extended(settings.layers))
    done: dict[str, None] = {}
    refused: dict[str, str] = {}
    for _ in range(_ROUNDS):
        if not _round(repaired, graph, _findings(graph, settings), done, refused):
            break
        repaired.graph.lint()
        repaired.recompile()
        graph = trace_live(repaired, inputs, graph.ref.name, settings.layers)
    repaired.delete_all_unused_submodules()
    repaired.meta[KEY] = {"done": tuple(done), "refused": refused}
    return repaired


def _findings(graph: ModelGraph, settings: Settings) -> tuple[Finding, ...]:
    rules = live_rules(settings).chosen()
    return check_graph(graph, rules, settings.for_rules()).findings


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
            done[f"{named}: {action.do(Repair(repaired, graph, layers, remedy.arguments))}"] = None
        except NoEdit as error:
            refused[named] = str(error)
            continue
        changed = True
        if action.rewires:
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
    """The model's copy as a GraphModule, with its weights, on its device and in its modes.

    Raises
    ------
    UsageError
        When fx cannot trace it as a whole.

    """
    if patched := [n for n, m in model.named_modules() if "forward" in vars(m)]:
        raise UsageError(_untraceable(f"forward of {patched[0] or 'it'} is replaced"))
    twin = copy.deepcopy(model)
    try:
        graph = _LeafTracer(table).trace(twin)
    except Exception as error:  # the user's forward may raise anything
        raise UsageError(_untraceable(first_line(error))) from error
    made: Any = fx.GraphModule(twin, graph, type(model).__name__)
    made.training = model.training
    return made  # type: ignore[no-any-return]


def _untraceable(reason: str) -> Mistake:
    hint = "`bnlint --fix` mends the source instead, whatever forward does"
    return Mistake(f"torch.fx cannot trace the model, so it is not repaired: {reason}", hint=hint)
