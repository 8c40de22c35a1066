"""The story of a comparison, from two traced models to four answers and a verdict."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bnlint.comparing.alignment import Alignment
from bnlint.comparing.canonical import Canonical
from bnlint.comparing.graph_changes import graph_changes, signs_of
from bnlint.comparing.key_maps import Plans
from bnlint.comparing.pairing import Paired, paired
from bnlint.comparing.sides import TracedModel, Tracing
from bnlint.comparing.traced_inputs import inputs_to_try, with_one_input
from bnlint.comparing.verdicts import checkpoint_answer, function_answer, verdict_of
from bnlint.domain.finding import Finding
from bnlint.domain.graph import ModelGraph, Shape
from bnlint.domain.model_comparison import (
    ADDED,
    REMOVED,
    ComparedSide,
    GraphAnswer,
    LayerChange,
    ModelComparison,
)
from bnlint.domain.request import KeyMap, ProofRequest, ProofResult
from bnlint.graph.cost import cost_of

_BYTES = 24
"""That a parameter takes while a model runs: twice in double precision, and its gradient."""
_LARGEST = 1 << 40


def compare_models(
    tracing: Tracing,
    old: Sequence[TracedModel],
    new: Sequence[TracedModel],
    files: Mapping[str, str],
) -> list[ModelComparison]:
    """A comparison of each pair, and one of each model that has no partner."""
    pairs = [_alike(tracing, *pair) for pair in paired(old, new, files)]
    return [_one(tracing, *pair) for pair in pairs]


def compare_pair(tracing: Tracing, old: TracedModel, new: TracedModel) -> ModelComparison:
    """The comparison of two models, whatever they are called."""
    return _one(tracing, *_alike(tracing, old, new))


def _alike(tracing: Tracing, old: TracedModel | None, new: TracedModel | None) -> Paired:
    """The pair built by the same call, if arguments were guessed and the other's fit as well."""
    if old is None or new is None or old.call == new.call:
        return old, new
    if new.graph.ref.guessed and (found := _rebuilt(tracing, new, old)):
        return old, found
    if old.graph.ref.guessed and (found := _rebuilt(tracing, old, new)):
        return found, new
    return old, new


def _rebuilt(tracing: Tracing, model: TracedModel, like: TracedModel) -> TracedModel | None:
    call = like.call
    if "(" not in call:
        return None
    name = model.name + call[call.index("(") :]
    return next((m for m in tracing.again(model, name) if m.graph.ops), None)


def _one(tracing: Tracing, old: TracedModel | None, new: TracedModel | None) -> ModelComparison:
    if old is None or new is None:
        return _alone(old, new)
    old, new = with_one_input(tracing, old, new)
    before, after = Canonical.of(old.graph), Canonical.of(new.graph)
    plans = Plans.of(before, after)
    proof, reason = prove(tracing, old, new, plans.maps)
    aligned, renames = plans.chosen(proof)
    keys = _keys(old.graph), _keys(new.graph)
    checkpoint = checkpoint_answer(*keys, proof, plans.maps, reason)
    graph = _shown_in(graph_changes(before, after, aligned, renames), old, new)
    function = function_answer(proof, checkpoint, reason, graph)
    verdict, why = verdict_of(before, after, checkpoint, function, graph)
    if (first := function.first_difference) is not None and first.location is not None:
        at = replace(first.location, path=new.tree.shown(first.location.path))
        function = replace(function, first_difference=replace(first, location=at))
    fresh, gone = _findings(old, new, aligned)
    return ModelComparison(
        new.file,
        new.name,
        verdict,
        side_of(old),
        side_of(new),
        checkpoint,
        function,
        graph,
        (cost_of(old.graph), cost_of(new.graph)),
        fresh,
        gone,
        why,
        (old.graph, new.graph),
        aligned.ids(),
        signs_of(before, after, aligned),
    )


def _alone(old: TracedModel | None, new: TracedModel | None) -> ModelComparison:
    model = new or old
    assert model is not None, "a pair has at least one model"
    costs = tuple(cost_of(m.graph) if m else None for m in (old, new))
    return ModelComparison(
        model.file,
        model.name,
        ADDED if old is None else REMOVED,
        side_of(old) if old else None,
        side_of(new) if new else None,
        cost=(costs[0], costs[1]),
        new_findings=new.findings if new else (),
        gone_findings=old.findings if old else (),
        graphs=(old.graph if old else None, new.graph if new else None),
    )


def side_of(model: TracedModel) -> ComparedSide:
    """Where a model comes from, as reports show it."""
    return ComparedSide(model.tree.revision, model.file, model.name)


def _keys(graph: ModelGraph) -> dict[str, Shape]:
    return {state.key: state.shape for state in graph.states if state.persistent}


def _shown_in(answer: GraphAnswer, old: TracedModel, new: TracedModel) -> GraphAnswer:
    """The changes with paths as the user writes them; what was removed has its old line."""

    def shown(changes: Sequence[LayerChange], side: TracedModel) -> tuple[LayerChange, ...]:
        return tuple(
            replace(c, location=replace(c.location, path=side.tree.shown(c.location.path)))
            if c.location
            else c
            for c in changes
        )

    return replace(
        answer,
        added=shown(answer.added, new),
        removed=shown(answer.removed, old),
        moved=shown(answer.moved, new),
        changed=shown(answer.changed, new),
    )


def _findings(
    old: TracedModel, new: TracedModel, aligned: Alignment
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings that are new, and those that are gone; a renamed layer is the same."""
    names = {a.layer: b.layer for a, b in (*aligned.pairs, *aligned.moved)}
    had = Counter((f.rule, names.get(f.layer, f.layer)) for f in old.findings)
    has = Counter((f.rule, f.layer) for f in new.findings)
    fresh = [f for f in new.findings if _take(had, (f.rule, f.layer))]
    gone = [f for f in old.findings if _take(has, (f.rule, names.get(f.layer, f.layer)))]
    return tuple(fresh), tuple(gone)


def _take(known: Counter[tuple[str, str]], key: tuple[str, str]) -> bool:
    """True if none is left of a key; else one of them is taken."""
    if known[key] > 0:
        known[key] -= 1
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Sides:
    old: ProofRequest
    new: ProofRequest


def prove(
    tracing: Tracing, old: TracedModel, new: TracedModel, maps: tuple[KeyMap, ...]
) -> tuple[ProofResult | None, str]:
    """What running both models showed, or why they were not run."""
    limit = _limit(tracing)
    with tempfile.TemporaryDirectory(prefix="bnlint-") as folder:
        sides = _requests(old, new, maps, os.path.join(folder, "results"), limit)
        (outcome,) = tracing.trace([sides.old])
        result = next(iter(outcome.proofs), None)
        if not os.path.exists(sides.old.store) or result is None:
            return None, _why(result, outcome.problems, "the old model does not run")
        (outcome,) = tracing.trace([sides.new])
    result = next(iter(outcome.proofs), None)
    if result is None:
        return None, _why(None, outcome.problems, "the new model does not run")
    size = max(old.graph.parameters, new.graph.parameters)
    if not result.ran and size > limit:
        said = f"too large ({size:,} parameters); --max-memory lifts the limit"
        return result, said
    return result, "" if result.ran else result.reason


def _why(result: ProofResult | None, problems: Sequence[object], otherwise: str) -> str:
    if result is not None and result.reason:
        return result.reason
    said = [str(getattr(p, "message", p)) for p in problems]
    return said[0] if said else otherwise


def _limit(tracing: Tracing) -> int:
    memory = tracing.settings.max_memory
    return memory // _BYTES if memory else _LARGEST


def _requests(
    old: TracedModel, new: TracedModel, maps: tuple[KeyMap, ...], store: str, limit: int
) -> _Sides:
    given = new.request.inputs
    inputs = (given,) if given else inputs_to_try(old.graph, new.graph)
    asked = ProofRequest(old.request, store, old.spec, inputs=inputs, limit=limit)
    again = replace(asked, file=new.request, model=new.spec, against=True, maps=maps)
    return _Sides(
        replace(asked, arguments=old.graph.ref.arguments),
        replace(again, arguments=new.graph.ref.arguments),
    )
