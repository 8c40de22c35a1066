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
        if found := _with_others(workspace, looks, texts, best, proof, proposals.refused):
            return found
    outcome, blocked = _one_by_one(workspace, looks, texts, proposals)
    if not outcome.held:
        for proposal, proof in blocked:
            left = proposals.refused
            if found := _with_others(workspace, looks, texts, [proposal], proof, left):
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
    left = _left(held, looks, refused)
    return Round(spliced(texts, held), proof.looks, done, left)


def _left(
    held: Sequence[Proposal], looks: Sequence[Look], refused: dict[Key, str]
) -> dict[Key, str]:
    """The reasons for findings that none of the edits fixes."""
    fixed = _findings_of(held, looks)
    return {key: reason for key, reason in refused.items() if key not in fixed}


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
    workspace: Workspace,
    looks: tuple[Look, ...],
    texts: Texts,
    edits: Sequence[Proposal],
    proof: Proof,
    refused: dict[Key, str],
) -> Round | None:
    """The edits with those that fix the findings they cause; None if one of these fails."""
    if not proof.fresh:
        return None
    between = spliced(texts, edits)
    fresh = {(f.rule, f.model, f.layer) for f in proof.fresh}

    offered = propose(proof.looks, between, lambda key, _: key[1:] in fresh)
    others = _apart(_best(offered))
    if not fresh <= {key[1:] for key in _findings_of(others, proof.looks)}:
        return None
    companions = _companions(edits, others)
    second = prove(workspace, proof.looks, between, others) if companions else None
    if not companions or second is None or second.reason:
        return None
    held = [
        Held(
            edit,
            (*edit.plan.splices, *(s for _, splices in along for s in splices)),
            second.remarks,
            tuple(other.plan.message for other, _ in along),
        )
        for edit, along in zip(edits, companions, strict=True)
    ]
    return Round(spliced(between, others), second.looks, held, _left(edits, looks, refused))


def _companions(
    edits: Sequence[Proposal], others: Sequence[Proposal]
) -> list[list[tuple[Proposal, tuple[Splice, ...]]]] | None:
    """For each edit the others that go along, with their splices in terms of the text before.

    None where one touches what an edit has changed, is in another file than the edit that caused
    it, or where it is not clear which edit that is.
    """
    found: list[list[tuple[Proposal, tuple[Splice, ...]]]] = [[] for _ in edits]
    for other in others:
        path = other.plan.path
        earlier = [s for e in edits if e.plan.path == path for s in e.plan.splices]
        back = [unspliced(s, earlier) for s in other.plan.splices]
        about = [n for n, e in enumerate(edits) if e.plan.path == path and _share(e, other)]
        owner = 0 if len(edits) == 1 and edits[0].plan.path == path else next(iter(about), None)
        if owner is None or not all(back):
            return None
        found[owner].append((other, tuple(s for s in back if s)))
    return found


def _share(edit: Proposal, other: Proposal) -> bool:
    """True where findings of both are about a common layer of one model."""
    return not _layers_of(edit).isdisjoint(_layers_of(other))


def _layers_of(proposal: Proposal) -> set[tuple[int, int, str]]:
    """The layers that the findings of an edit name, with the numbers of their look and model."""
    found = set()
    for m in proposal.members:
        related = (each.layer for each in m.finding.related)
        for layer in (m.finding.layer, *m.remedy.layers.values(), *related):
            found.add((m.look, m.model, layer))
    return found


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
