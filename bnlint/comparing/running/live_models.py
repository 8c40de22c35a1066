"""Two live models compared in this process; copies are run, and the models are left as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from bnlint.comparing.canonical import Canonical
from bnlint.comparing.graph_changes import graph_changes, signs_of
from bnlint.comparing.key_maps import Plans
from bnlint.comparing.running.inputs_to_run import calls_of
from bnlint.comparing.running.loading_attempt import try_to_load
from bnlint.comparing.running.new_side import compare_with
from bnlint.comparing.running.old_side import run_old
from bnlint.comparing.running.run_model import Call
from bnlint.comparing.traced_inputs import inputs_to_try
from bnlint.comparing.verdicts import checkpoint_answer, function_answer, verdict_of
from bnlint.domain.graph import ModelGraph, Shape
from bnlint.domain.model_comparison import ComparedSide, ModelComparison
from bnlint.domain.request import KeyMap, ProofResult
from bnlint.graph.cost import cost_of
from bnlint.layers.table import builtin_table
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.models.nested import moved
from bnlint.pipeline import trace_live
from bnlint.tracing.bare import copied


def compare_live(old: nn.Module, new: nn.Module, inputs: Any) -> ModelComparison:
    """What makes ``new`` another model than ``old``; ``inputs`` as for :func:`bnlint.check_model`.

    Raises UsageError for what is no model.
    """
    graphs = trace_live(old, inputs, ""), trace_live(new, inputs, "")
    before, after = map(Canonical.of, graphs)
    plans = Plans.of(before, after)
    proof = _proof(old, new, inputs, graphs, plans.maps)
    checkpoint = checkpoint_answer(_keys(graphs[0]), _keys(graphs[1]), proof, plans.maps)
    aligned, renames = plans.chosen(proof)
    graph = graph_changes(before, after, aligned, renames)
    function = function_answer(proof, checkpoint, "" if proof.ran else proof.reason, graph)
    verdict, why = verdict_of(before, after, checkpoint, function, graph)
    first, second = (ComparedSide("", g.ref.file, g.ref.name) for g in graphs)
    return ModelComparison(
        graphs[1].ref.file,
        graphs[1].ref.name,
        verdict,
        first,
        second,
        checkpoint,
        function,
        graph,
        (cost_of(graphs[0]), cost_of(graphs[1])),
        reason=why,
        graphs=graphs,
        pairs=aligned.ids(),
        signs=signs_of(before, after, aligned),
    )


def _keys(graph: ModelGraph) -> dict[str, Shape]:
    return {state.key: state.shape for state in graph.states if state.persistent}


def _proof(
    old: nn.Module,
    new: nn.Module,
    inputs: Any,
    graphs: tuple[ModelGraph, ModelGraph],
    maps: tuple[KeyMap, ...],
) -> ProofResult:
    """What running copies of both showed; the state of random numbers is left as it is."""
    table = builtin_table()
    with torch.random.fork_rng(devices=[]):
        first, second = (copied(model, {}, torch.clone) for model in (old, new))
        if first is None or second is None:
            return ProofResult(False, "a model cannot be copied")
        first, second = first.cpu(), second.cpu()
        calls = [_given(inputs)] if inputs is not None else _found(first, graphs)
        kept = run_old(first, calls, max(len(calls), 1), table, graphs[0].ref.file)
        loads = try_to_load(second, kept.keys)
        mapped = tuple(try_to_load(second, kept.keys, renames) for renames in maps)
        return compare_with(second, kept, (loads, mapped), maps, table, graphs[1].ref.file)


def _given(inputs: Any) -> Call:
    inputs = moved(inputs, torch.device("cpu"))
    if isinstance(inputs, Mapping):
        return [], dict(inputs)
    return list(inputs) if isinstance(inputs, (tuple, list)) else [inputs], {}


def _found(model: nn.Module, graphs: tuple[ModelGraph, ModelGraph]) -> list[Call]:
    """The inputs that the models were traced with, then guessed ones."""
    return list(calls_of(model, inputs_to_try(*graphs), infer(model)))
