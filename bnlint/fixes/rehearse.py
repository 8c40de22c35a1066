"""Fixes that must not change results: models before and after are run on the same weights."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bnlint.domain.graph import ModelGraph, ModelRef, Op
from bnlint.domain.request import Fold, InputSpec, ModelSpec, TraceRequest, Trial, TrialResult
from bnlint.fixes.flow import norms_behind
from bnlint.fixes.plan import is_lone
from bnlint.fixes.propose import Proposal
from bnlint.fixes.session import Look, Session, Texts


def needs_outputs(proposal: Proposal) -> bool:
    """True for what is called safe, and for a bias that a norm cancels."""
    return proposal.safety == "safe" or drops_bias(proposal)


def drops_bias(proposal: Proposal) -> bool:
    """True for an edit that takes a bias away."""
    arguments = proposal.members[0].finding.remedy.arguments  # type: ignore[union-attr]
    return arguments.get("name") == "bias" and arguments.get("to") is False


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Runs the models of looks with the texts before and after an edit."""

    session: Session
    looks: Sequence[Look]
    before: Texts
    after: Texts

    def compare(self, proposals: Sequence[Proposal]) -> tuple[str, tuple[str, ...]]:
        """Why the results are not the same (empty if they are), and what could not be compared."""
        trials: dict[int, dict[int, list[Fold]]] = {}
        for proposal in proposals:
            for member in proposal.members:
                graph = self.looks[member.look].seen[member.model].graph
                if is_lone(graph):
                    continue
                folds = trials.setdefault(member.look, {}).setdefault(member.model, [])
                if drops_bias(proposal):
                    folds += _folds(graph, member.layers["of"])
        remarks: list[str] = []
        for number, models in trials.items():
            for result in self._run(number, models):
                if result.verdict == "different":
                    return f"{result.detail} ({result.model})", ()
                if result.verdict == "impossible":
                    remarks.append(f"results of {result.model} not compared: {result.detail}")
        return "", tuple(dict.fromkeys(remarks))

    def _run(self, number: int, models: dict[int, list[Fold]]) -> Sequence[TrialResult]:
        graphs = [self.looks[number].seen[m].graph for m in models]
        specs = tuple(_spec(g) for g in graphs)
        folds = tuple(dict.fromkeys(f for each in models.values() for f in each))
        with tempfile.TemporaryDirectory(prefix="bnlint-") as folder:
            store = os.path.join(folder, "results")
            old = self._request(number, self.before, specs, Trial(store))
            self.session.trace([old])
            if not os.path.exists(store):
                return [TrialResult(s.call, "impossible", "it does not run") for s in specs]
            new = self._request(number, self.after, specs, Trial(store, True, folds))
            outcome = self.session.trace([new])[0]
        if not outcome.trials:
            why = outcome.problems[0].message if outcome.problems else "it does not run"
            return [TrialResult(s.call, "different", why) for s in specs]
        return outcome.trials

    def _request(
        self, number: int, texts: Texts, specs: tuple[ModelSpec, ...], trial: Trial
    ) -> TraceRequest:
        return replace(self.session.request(number, texts), models=specs, trial=trial)


def call_of(ref: ModelRef) -> str:
    """The call that builds the model, or its name."""
    return ref.arguments or ref.name


def _spec(graph: ModelGraph) -> ModelSpec:
    """The model, with the inputs it was traced with."""
    given = graph.ref.inputs
    rows = zip(given.shapes, given.names, given.dtypes, strict=True)
    inputs = tuple(InputSpec(shape, name, dtype) for shape, name, dtype in rows)
    return ModelSpec(call_of(graph.ref), inputs)


def _folds(graph: ModelGraph, kernel: object) -> list[Fold]:
    """The norms whose running mean holds the bias of the kernel."""
    if not isinstance(kernel, Op):
        return []
    call = call_of(graph.ref)
    return [Fold(call, kernel.module, norm.module) for norm in norms_behind(graph, kernel)]
