"""The proof of edits: traced and run again, they fix what they should and change nothing else."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bnlint.domain.finding import Finding, Problem, Severity
from bnlint.domain.graph import ModelGraph, Op, Subject
from bnlint.domain.request import (
    Fold,
    InputSpec,
    ModelSpec,
    TraceOutcome,
    Trial,
    TrialRequest,
    TrialResult,
)
from bnlint.edits import is_lone, norms_after
from bnlint.fixes.expect import Touched, unlike
from bnlint.fixes.propose import Member, Proposal, hidden_layers
from bnlint.fixes.workspace import Look, Seen, Texts, Workspace
from bnlint.graph.view import View


@dataclass(frozen=True, slots=True)
class Proof:
    """Why edits do not hold (empty if they do), the looks after them, and remarks.

    ``fresh`` are findings that the edits cause, if they are the only objection.
    """

    reason: str
    looks: tuple[Look, ...] = ()
    remarks: tuple[str, ...] = ()
    fresh: tuple[Finding, ...] = ()


def spliced(texts: Texts, proposals: Sequence[Proposal]) -> Texts:
    """The texts with all the edits applied."""
    new = dict(texts)
    for path in {os.path.realpath(p.plan.path) for p in proposals}:
        own = [p.plan for p in proposals if os.path.realpath(p.plan.path) == path]
        new[path] = texts[path].spliced(s for plan in own for s in plan.splices)
    return new


def prove(
    workspace: Workspace,
    looks: Sequence[Look],
    texts: Texts,
    proposals: Sequence[Proposal],
    run: Sequence[Proposal] | None = None,
) -> Proof:
    """The proof of all the edits together, on top of ``texts`` as ``looks`` saw them.

    Results are compared for the edits in ``run`` alone where it is given.
    """
    changed = spliced(texts, proposals)
    different = {path: text for path, text in changed.items() if text != texts[path]}
    for text in different.values():
        try:
            compile(text.plain, text.path, "exec", dont_inherit=True, flags=0)
        except (SyntaxError, ValueError) as error:
            return Proof(f"the edited file does not parse: {error}")
    after = workspace.look_again(looks, changed, frozenset(different))
    fresh: list[Finding] = []
    for n, (old, new) in enumerate(zip(looks, after, strict=True)):
        if new is not old and (reason := _look_differs(n, old, new, proposals, fresh)):
            return Proof(reason, after)
    if fresh:
        named = f"{fresh[0].rule} ({fresh[0].layer})"
        return Proof(f"it would bring a new finding, {named}", after, fresh=tuple(fresh))
    rehearsal = Rehearsal(workspace, looks, texts, changed)
    chosen = proposals if run is None else run
    reason, remarks = rehearsal.compare([p for p in chosen if p.safety == "safe" or p.drops_bias])
    return Proof(reason, after, remarks)


def _look_differs(
    number: int, old: Look, new: Look, proposals: Sequence[Proposal], fresh: list[Finding]
) -> str:
    """How a file is not as it should be after the edits; adds new findings to ``fresh``."""
    if problem := _new_problem(old, new):
        return f"after it, {problem.message}"
    models = [[(s.graph.ref.name, s.graph.ref.arguments) for s in k.seen] for k in (old, new)]
    if models[0] != models[1]:
        return "after it, other models are found in the file"
    for m, (before, after) in enumerate(zip(old.seen, new.seen, strict=True)):
        own = [(p, members) for p in proposals if (members := p.of(number, m))]
        touched = [Touched(p.plan.change, _layers(members)) for p, members in own]
        if reason := unlike(before.graph, after.graph, touched):
            return reason
        renames = any(p.plan.change.renames for p, _ in own)
        gone = [x.finding for _, members in own for x in members]
        reason, new_ones = _findings_differ(before, after, gone, renames)
        if reason:
            return reason
        fresh += [f for f in new_ones if f.severity is not Severity.INFO]  # a hint blocks nothing
    return ""


def _layers(members: Sequence[Member]) -> tuple[dict[str, Subject], ...]:
    """The layers of findings of one model: each once, however many findings name it."""
    layers: dict[tuple[str, ...], dict[str, Subject]] = {}
    for member in members:
        ids = tuple(member.remedy.ops.values()) or (member.finding.layer,)
        layers.setdefault(ids, member.layers)
    return tuple(layers.values())


def _new_problem(old: Look, new: Look) -> Problem | None:
    known = Counter((p.kind, p.model) for p in old.problems)
    for problem in new.problems:
        known[problem.kind, problem.model] -= 1
        if known[problem.kind, problem.model] < 0:
            return problem
    return None


def _findings_differ(
    before: Seen, after: Seen, gone: Sequence[Finding], renames: bool
) -> tuple[str, list[Finding]]:
    """The finding that is still there, in words (empty if there is none), and the new findings."""

    def key(finding: Finding) -> tuple[str, str]:
        return finding.rule, "" if renames else finding.layer

    had, has = Counter(map(key, before.findings)), Counter(map(key, after.findings))
    meant = Counter(map(key, gone))
    for each, count in meant.items():
        if has[each] > max(had[each] - count, 0):
            return f"{gone[0].rule} is still found", []
    hidden = hidden_layers(before.graph)
    more = has - had
    return "", [
        f for f in after.findings if more[key(f)] > 0 and not (f.layer in hidden or key(f) in meant)
    ]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Runs the models of looks with the texts before and after an edit."""

    workspace: Workspace
    looks: Sequence[Look]
    before: Texts
    after: Texts

    def compare(self, proposals: Sequence[Proposal]) -> tuple[str, tuple[str, ...]]:
        """Why the results differ (empty if they do not), and what could not be compared."""
        trials: dict[int, dict[int, list[Fold]]] = {}
        for proposal in proposals:
            for member in proposal.members:
                graph = self.looks[member.look].seen[member.model].graph
                if is_lone(graph):
                    continue
                folds = trials.setdefault(member.look, {}).setdefault(member.model, [])
                kernel = member.layers["of"] if proposal.drops_bias else None
                if isinstance(kernel, Op):
                    norms = norms_after(View(graph), kernel)
                    folds += [Fold(_call(graph), kernel.module, norm.module) for norm in norms]
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
        specs = tuple(ModelSpec(_call(g), _inputs(g)) for g in graphs)
        folds = tuple(dict.fromkeys(f for each in models.values() for f in each))
        with tempfile.TemporaryDirectory(prefix="bnlint-") as folder:
            store = os.path.join(folder, "results")
            self._trace(number, self.before, specs, Trial(store))
            if not os.path.exists(store):
                return [TrialResult(s.call, "impossible", "it does not run") for s in specs]
            outcome = self._trace(number, self.after, specs, Trial(store, True, folds))
        if not outcome.trials:
            why = outcome.problems[0].message if outcome.problems else "it does not run"
            return [TrialResult(s.call, "different", why) for s in specs]
        return outcome.trials

    def _trace(
        self, number: int, texts: Texts, specs: tuple[ModelSpec, ...], trial: Trial
    ) -> TraceOutcome:
        request = replace(self.workspace.request(number, texts), models=specs)
        return self.workspace.trace([TrialRequest(request, trial)])[0]


def _call(graph: ModelGraph) -> str:
    """The call that builds the model, or its name."""
    return graph.ref.arguments or graph.ref.name


def _inputs(graph: ModelGraph) -> tuple[InputSpec, ...]:
    given = graph.ref.inputs
    return tuple(map(InputSpec, given.shapes, given.names, given.dtypes))
