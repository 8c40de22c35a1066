"""The proof of edits: traced again, they mend what they should, and change nothing else."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bnlint.domain.finding import Finding, Problem
from bnlint.fixes.expect import Touched, unlike
from bnlint.fixes.plan import Subject
from bnlint.fixes.propose import Member, Proposal, hidden_layers
from bnlint.fixes.rehearse import Rehearsal, needs_outputs
from bnlint.fixes.session import Look, Seen, Session, Texts


@dataclass(frozen=True, slots=True)
class Proof:
    """Why edits do not hold (empty if they do), the looks after them, and remarks.

    ``fresh`` are the findings that came with the edits and are all there is against them.
    """

    reason: str
    looks: tuple[Look, ...] = ()
    remarks: tuple[str, ...] = ()
    fresh: tuple[Finding, ...] = ()


def spliced(texts: Texts, proposals: Sequence[Proposal]) -> Texts:
    """The texts with all the edits done."""
    new = dict(texts)
    for path in {os.path.realpath(p.plan.path) for p in proposals}:
        own = [p.plan for p in proposals if os.path.realpath(p.plan.path) == path]
        new[path] = texts[path].spliced(s for plan in own for s in plan.splices)
    return new


def prove(
    session: Session,
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
    after = session.look_again(looks, changed, frozenset(different))
    fresh: list[Finding] = []
    for n, (old, new) in enumerate(zip(looks, after, strict=True)):
        members = [m for p in proposals for m in p.members if m.look == n]
        touched = [(p, m) for p in proposals for m in p.members if m.look == n]
        if reason := _look_differs(old, new, touched, members, fresh):
            return Proof(reason, after)
    if fresh:
        named = f"{fresh[0].rule} ({fresh[0].layer})"
        return Proof(f"it would bring a new finding, {named}", after, fresh=tuple(fresh))
    rehearsal = Rehearsal(session, looks, texts, changed)
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
    """What the edits do to one model: each layer once, however many findings name it."""
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
    """What speaks against the findings after: one that is still there; and those that are new."""
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
