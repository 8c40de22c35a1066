"""The proof of edits: traced and run again, they fix what they should and change nothing else."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bnlint.domain.finding import Finding, Problem
from bnlint.domain.graph import ModelGraph, ModelRef, Op
from bnlint.domain.request import Fold, InputSpec, ModelSpec, Trial, TrialRequest, TrialResult
from bnlint.edits import Subject, is_lone, norms_after
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
        members = [m for p in proposals for m in p.members if m.look == n]
        touched = [(p, m) for p in proposals for m in p.members if m.look == n]
        if reason := _look_differs(old, new, touched, members, fresh):
            return Proof(reason, after)
    if fresh:
        named = f"{fresh[0].rule} ({fresh[0].layer})"
        return Proof(f"it would bring a new finding, {named}", after, fresh=tuple(fresh))
    rehearsal = Rehearsal(workspace, looks, texts, changed)
    chosen = proposals if run is None else run
    reason, remarks = rehearsal.compare([p for p in chosen if needs_outputs(p)])
    return Proof(reason, after, remarks)


def _look_differs(
    old: Look,
    new: Look,
    touched: Sequence[tuple[Proposal, Member]],
    members: Sequence[Member],
    fresh: list[Finding],
) -> str:
    if new is old:
        return ""
    if problem := _new_problem(old, new):
        return f"after it, {problem.message}"
    if [_model(s) for s in old.seen] != [_model(s) for s in new.seen]:
        return "after it, other models are found in the file"
    for m, (before, after) in enumerate(zip(old.seen, new.seen, strict=True)):
        own = [(p, x) for p, x in touched if x.model == m]
        if reason := unlike(before.graph, after.graph, list(_touched(own))):
            return reason
        renames = any(p.plan.change.renames for p, _ in own)
        gone = [x.finding for x in members if x.model == m]
        reason, new_ones = _findings_differ(before, after, gone, renames)
        if reason:
            return reason
        fresh += new_ones
    return ""


def _touched(own: Sequence[tuple[Proposal, Member]]) -> Iterator[Touched]:
    """The changes of one model: each layer once, however many findings name it."""
    by_proposal: dict[int, tuple[Proposal, dict[tuple[str, ...], dict[str, Subject]]]] = {}
    for proposal, member in own:
        layers = by_proposal.setdefault(id(proposal), (proposal, {}))[1]
        layers.setdefault(
            tuple(member.finding.remedy.ops.values())  # type: ignore[union-attr]
            or (member.finding.layer,),
            member.layers,
        )
    for proposal, layers in by_proposal.values():
        yield Touched(proposal.plan.change, tuple(layers.values()))


def _model(seen: Seen) -> tuple[str, str]:
    return seen.graph.ref.name, seen.graph.ref.arguments


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
    had, has = _count(before.findings, renames), _count(after.findings, renames)
    meant = _count(gone, renames)
    for key, count in meant.items():
        if has[key] > max(had[key] - count, 0):
            return f"{gone[0].rule} is still found", []
    hidden = hidden_layers(before.graph)
    more = has - had
    return "", [
        f
        for f in after.findings
        if more[_key(f, renames)] > 0 and not (f.layer in hidden or _key(f, renames) in meant)
    ]


def _count(findings: Sequence[Finding], renames: bool) -> Counter[tuple[str, str]]:
    return Counter(_key(f, renames) for f in findings)


def _key(finding: Finding, renames: bool) -> tuple[str, str]:
    return finding.rule, "" if renames else finding.layer


def needs_outputs(proposal: Proposal) -> bool:
    """True for edits called safe, and for removing a bias that a norm cancels."""
    return proposal.safety == "safe" or drops_bias(proposal)


def drops_bias(proposal: Proposal) -> bool:
    """True for an edit that removes a bias."""
    arguments = proposal.members[0].finding.remedy.arguments  # type: ignore[union-attr]
    return arguments.get("name") == "bias" and arguments.get("to") is False


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
            self.workspace.trace([old])
            if not os.path.exists(store):
                return [TrialResult(s.call, "impossible", "it does not run") for s in specs]
            new = self._request(number, self.after, specs, Trial(store, True, folds))
            outcome = self.workspace.trace([new])[0]
        if not outcome.trials:
            why = outcome.problems[0].message if outcome.problems else "it does not run"
            return [TrialResult(s.call, "different", why) for s in specs]
        return outcome.trials

    def _request(
        self, number: int, texts: Texts, specs: tuple[ModelSpec, ...], trial: Trial
    ) -> TrialRequest:
        return TrialRequest(replace(self.workspace.request(number, texts), models=specs), trial)


def model_call(ref: ModelRef) -> str:
    """The call that builds the model, or its name."""
    return ref.arguments or ref.name


def _spec(graph: ModelGraph) -> ModelSpec:
    """The model, with the inputs it was traced with."""
    given = graph.ref.inputs
    rows = zip(given.shapes, given.names, given.dtypes, strict=True)
    inputs = tuple(InputSpec(shape, name, dtype) for shape, name, dtype in rows)
    return ModelSpec(model_call(graph.ref), inputs)


def _folds(graph: ModelGraph, kernel: object) -> list[Fold]:
    """The norms whose running mean holds the bias of the kernel."""
    if not isinstance(kernel, Op):
        return []
    call = model_call(graph.ref)
    return [Fold(call, kernel.module, norm.module) for norm in norms_after(View(graph), kernel)]
