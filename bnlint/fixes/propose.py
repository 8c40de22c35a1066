"""From findings to plans: each edit once, with all the layers it fixes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from bnlint.domain.finding import Finding, Remedy
from bnlint.domain.graph import Location, ModelGraph, Op, Subject, name_of
from bnlint.edits import Job, NoEdit, Plan, actions, is_lone, same_place
from bnlint.edits.syntax import Splice, Syntax
from bnlint.fixes.workspace import Look, Seen, Texts
from bnlint.graph.view import View

Key = tuple[str, str, str, str]
"""A finding of one layer: file, rule, model, layer."""


@dataclass(frozen=True, slots=True)
class Member:
    """A finding about one layer of one model: the numbers of its look and model, its layers."""

    look: int
    model: int
    finding: Finding
    layers: dict[str, Subject]

    @property
    def remedy(self) -> Remedy:
        """What the rule proposes; only findings with a remedy become members."""
        assert self.finding.remedy is not None
        return self.finding.remedy


@dataclass(slots=True)
class Proposal:
    """One edit, the findings it would fix, and how many better edits there are."""

    plan: Plan
    rank: int
    members: list[Member] = field(default_factory=list)

    @property
    def safety(self) -> str:
        """Safe or unsafe."""
        return self.members[0].remedy.safety

    @property
    def drops_bias(self) -> bool:
        """True for the removal of a bias, which a norm cancels."""
        arguments = self.members[0].remedy.arguments
        return arguments.get("name") == "bias" and arguments.get("to") is False

    def of(self, look: int, model: int) -> list[Member]:
        """The members about one model."""
        return [m for m in self.members if (m.look, m.model) == (look, model)]


@dataclass(slots=True)
class Proposals:
    """Edits with the findings they would fix, and the reasons where there is none."""

    edits: list[Proposal] = field(default_factory=list)
    refused: dict[Key, str] = field(default_factory=dict)


def _trees(texts: Texts) -> Callable[[str], Syntax]:
    """The syntax of a file by its path, parsed at the first request; NoEdit if it was not named."""
    parsed = cache(lambda real: Syntax(texts[real]))

    def tree(path: str) -> Syntax:
        real = os.path.realpath(path)
        if real not in texts:
            raise NoEdit(f"it would change {path}, which was not named")
        return parsed(real)

    return tree


def propose(
    looks: Sequence[Look], texts: Texts, wanted: Callable[[Key, Finding], bool]
) -> Proposals:
    """The edits for all findings with a remedy that are wanted.

    An edit is dropped where the line it changes builds a layer that does not have the finding.
    """
    proposals = Proposals()
    merged: dict[tuple[str, str, tuple[Splice, ...]], Proposal] = {}
    keys: dict[Key, list[Proposal]] = {}
    for key, member, job in _jobs(looks, _trees(texts)):
        if not wanted(key, member.finding):
            continue
        try:
            for rank, plan in enumerate(actions()[member.remedy.action].plans(job)):
                identity = (member.finding.rule, plan.path, plan.splices)
                proposal = merged.setdefault(identity, Proposal(plan, rank))
                proposal.members.append(member)
                keys.setdefault(key, []).append(proposal)
        except NoEdit as error:
            proposals.refused[key] = str(error)
    for proposal in merged.values():
        proposal.members += list(_hidden_members(proposal, looks))
    lacking = {id(p): _missing(p, looks) for p in merged.values()}
    proposals.edits = [p for p in merged.values() if not lacking[id(p)]]
    for key, edits in keys.items():
        if all(lacking[id(p)] for p in edits):
            proposals.refused[key] = lacking[id(edits[0])]
    return proposals


def key_of(look: Look, finding: Finding) -> Key:
    """The key of a finding about one layer."""
    return look.path, finding.rule, finding.model, finding.layer


def _models(looks: Sequence[Look]) -> Iterator[tuple[int, int, Seen]]:
    """Every model with the number of its look, and its own in that."""
    for n, look in enumerate(looks):
        for m, seen in enumerate(look.seen):
            yield n, m, seen


def _jobs(
    looks: Sequence[Look], syntax: Callable[[str], Syntax]
) -> Iterator[tuple[Key, Member, Job]]:
    for n, m, seen in _models(looks):
        view = View(seen.graph)
        for finding in seen.findings:
            layers = _layers(seen.graph, finding.remedy) if finding.remedy else None
            if finding.remedy and layers:
                job = Job(view, layers, finding.remedy.arguments, syntax)
                yield key_of(looks[n], finding), Member(n, m, finding, layers), job


def _layers(graph: ModelGraph, remedy: Remedy) -> dict[str, Subject] | None:
    ops = {op.id: op for op in graph.ops}
    modules = {info.path: info for info in graph.modules}
    found: dict[str, Subject] = {}
    for role, name in remedy.layers.items():
        id_ = remedy.ops.get(role)
        subject: Subject | None = ops.get(id_) if id_ else modules.get(name)
        if subject is None:
            return None
        found[role] = subject
    return found


def _hidden_members(proposal: Proposal, looks: Sequence[Look]) -> Iterator[Member]:
    """Layers of the same lines that could not be judged, because the model failed earlier.

    They count as having the finding; the proof decides whether they are fine after the edit.
    """
    first, place = proposal.members[0], proposal.plan.built.get("of")
    if set(proposal.plan.built) != set(first.layers) or place is None:
        return
    for n, m, seen in _models(looks):
        hidden = hidden_layers(seen.graph) - {x.finding.layer for x in proposal.of(n, m)}
        for op in seen.graph.ops if hidden else ():
            if op.layer in hidden and same_place(op.construction, place):
                remedy = replace(first.remedy, layers={"of": op.layer}, ops={"of": op.id})
                model = seen.graph.ref.name
                about = replace(first.finding, model=model, layer=op.layer, remedy=remedy)
                yield Member(n, m, about, {"of": op})


def hidden_layers(graph: ModelGraph) -> frozenset[str]:
    """The layers that rules cannot judge: they fail, the model failed earlier, or are alone."""
    if is_lone(graph):
        return frozenset(op.layer for op in graph.ops)
    if not any(op.error for op in graph.ops):
        return frozenset()
    unknown = (op for op in graph.ops if op.error or not any(s is not None for s in op.outputs))
    return frozenset(op.layer for op in unknown)


def _missing(proposal: Proposal, looks: Sequence[Look]) -> str:
    """Which layer the edit would change needlessly, in words; empty if there is none."""
    for n, m, seen in _models(looks):
        if name := _unneeded(proposal.plan, seen.graph, proposal.of(n, m)):
            return f"the same line serves {name} of {seen.graph.ref.name}, which is fine"
    return ""


def _unneeded(plan: Plan, graph: ModelGraph, members: Sequence[Member]) -> str:
    for role, place in plan.built.items():
        bound = {name_of(x.layers[role]) for x in members if role in x.layers}
        fine = (name for name in _built_at(graph, place) if name not in bound)
        if name := next(fine, ""):
            return name
    for role, place in plan.called.items():
        ids = {s.id for x in members if isinstance(s := x.layers.get(role), Op)}
        for op in graph.ops:
            if same_place(op.call, place) and op.id not in ids:
                return op.layer
    return ""


def _built_at(graph: ModelGraph, place: Location) -> Iterator[str]:
    """The layers built at one place; those that are never called don't count."""
    for op in graph.ops:
        if same_place(op.construction, place):
            yield op.layer
    shown = {op.layer for op in graph.ops}
    for info in graph.modules:
        names = {info.path, *info.aliases}
        if same_place(info.construction, place) and names.isdisjoint(shown) and info.calls != 0:
            yield info.path
