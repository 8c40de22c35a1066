"""Which edits hold: proved together if possible, else one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bnlint.domain.finding import Finding, Fix
from bnlint.edits.syntax import SourceText, Splice, overlap, unspliced
from bnlint.fixes.propose import Key, Proposal, Proposals, key_of, propose
from bnlint.fixes.prove import Proof, prove, spliced
from bnlint.fixes.workspace import Look, Texts, Workspace

Wanted = Callable[[Key, Finding], bool]


@dataclass(frozen=True, slots=True)
class Held:
    """A proved edit: its splices with those of edits that must accompany it, and remarks."""

    proposal: Proposal
    splices: tuple[Splice, ...]
    remarks: tuple[str, ...] = ()
    along: tuple[str, ...] = ()


@dataclass(slots=True)
class Round:
    """The texts after one round of edits; ``held`` is empty when no edit held."""

    texts: Texts
    looks: tuple[Look, ...]
    held: list[Held] = field(default_factory=list)
    refused: dict[Key, str] = field(default_factory=dict)


def choose(workspace: Workspace, looks: tuple[Look, ...], texts: Texts, wanted: Wanted) -> Round:
    """The edits that hold on top of ``texts``, applied together; the rest is for the next round.

    An edit that only causes new findings which can be fixed in turn (a bias becomes redundant when
    a norm moves up) holds together with the edits that fix those.
    """
    proposals = propose(looks, texts, wanted)
    best = _apart(_best(proposals))
    if best:
        proof = prove(workspace, looks, texts, best)
        if not proof.reason:
            return _together(looks, texts, best, proof, proposals.refused)
    outcome, blocked = _one_by_one(workspace, looks, texts, proposals)
    if not outcome.held:
        for proposal, proof in blocked:
            if found := _with_others(workspace, looks, texts, proposal, proof):
                return found
    return outcome


def _together(
    looks: Sequence[Look],
    texts: Texts,
    held: Sequence[Proposal],
    proof: Proof,
    refused: dict[Key, str],
) -> Round:
    done = [Held(p, p.plan.splices, proof.remarks) for p in held]
    fixed = {key_of(looks[m.look], m.finding) for p in held for m in p.members}
    left = {key: reason for key, reason in refused.items() if key not in fixed}
    return Round(spliced(texts, held), proof.looks, done, left)


def _one_by_one(
    workspace: Workspace, looks: tuple[Look, ...], texts: Texts, proposals: Proposals
) -> tuple[Round, list[tuple[Proposal, Proof]]]:
    """Each edit on top of those that held before it, and those that only new findings stopped."""
    held: list[Proposal] = []
    blocked: list[tuple[Proposal, Proof]] = []
    outcome = Round(texts, looks, refused=dict(proposals.refused))
    for proposal in sorted(proposals.edits, key=_rank):
        done = _findings_of(held, looks) & _findings_of([proposal], looks)
        if done or not _fits_beside(held, proposal):
            continue
        proof = prove(workspace, looks, texts, [*held, proposal], [proposal])
        if not proof.reason:
            held.append(proposal)
            outcome = _together(looks, texts, held, proof, outcome.refused)
            continue
        for key in _findings_of([proposal], looks):
            outcome.refused.setdefault(key, proof.reason)
        if proof.fresh:
            blocked.append((proposal, proof))
    return outcome, blocked


def _with_others(
    workspace: Workspace, looks: tuple[Look, ...], texts: Texts, proposal: Proposal, proof: Proof
) -> Round | None:
    """The edit with those that fix the findings it causes; None if one of these fails."""
    between = spliced(texts, [proposal])
    fresh = {(f.rule, f.model, f.layer) for f in proof.fresh}

    offered = propose(proof.looks, between, lambda key, _: key[1:] in fresh)
    others = _apart(_best(offered))
    fixed = {key[1:] for key in _findings_of(others, proof.looks)}
    if not fresh <= fixed or any(o.plan.path != proposal.plan.path for o in others):
        return None
    second = prove(workspace, proof.looks, between, others)
    back = [unspliced(s, proposal.plan.splices) for o in others for s in o.plan.splices]
    if second.reason or not all(back):
        return None
    whole = (*proposal.plan.splices, *(s for s in back if s))
    along = tuple(o.plan.message for o in others)
    held = Held(proposal, whole, second.remarks, along)
    return Round(spliced(between, others), second.looks, [held])


def fix_of(held: Held, text: SourceText) -> Fix:
    """The proved edit as data; its places are those of ``text``."""
    proposal = held.proposal
    said = [proposal.plan.message, *held.along]
    if proposal.drops_bias:
        said.append(
            "results stay the same, in eval mode once the running mean is lowered by the bias; "
            "old checkpoints carry an unused key"
        )
    edits = tuple(text.edit(s) for s in sorted(held.splices))
    return Fix("; ".join((*said, *held.remarks)), proposal.safety, edits)


def _rank(proposal: Proposal) -> tuple[int, str, tuple[Splice, ...]]:
    return proposal.rank, proposal.plan.path, proposal.plan.splices


def _findings_of(proposals: Iterable[Proposal], looks: Sequence[Look]) -> set[Key]:
    return {key_of(looks[m.look], m.finding) for p in proposals for m in p.members}


def _best(proposals: Proposals) -> list[Proposal]:
    """The best edit for each finding, in the order of the text."""
    taken: set[tuple[int, int, str, str]] = set()
    chosen = []
    for proposal in sorted(proposals.edits, key=_rank):
        mine = {(m.look, m.model, m.finding.rule, m.finding.layer) for m in proposal.members}
        if taken.isdisjoint(mine):
            taken |= mine
            chosen.append(proposal)
    return sorted(chosen, key=lambda p: (p.plan.path, p.plan.splices))


def _apart(proposals: Iterable[Proposal]) -> list[Proposal]:
    """Those that do not overlap an earlier one; the others wait for the next round."""
    chosen: list[Proposal] = []
    for proposal in proposals:
        if _fits_beside(chosen, proposal):
            chosen.append(proposal)
    return chosen


def _fits_beside(others: Iterable[Proposal], proposal: Proposal) -> bool:
    plan = proposal.plan
    return not any(
        o.plan.path == plan.path and overlap(o.plan.splices, plan.splices) for o in others
    )
