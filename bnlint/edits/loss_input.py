"""``loss-input``: the activation before a loss removed, or softmax turned into log_softmax."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bnlint.domain.graph import Op, name_of
from bnlint.edits import Action, Change, Job, NoEdit, Plan, is_numbered
from bnlint.edits.arrangement import input_kept, remove, wrapping
from bnlint.edits.construction import FoundCall, renamed

_OF_SCORES = frozenset(("cross_entropy", "binary_cross_entropy_with_logits"))
_LOGARITHMS = {"Softmax": "LogSoftmax", "softmax": "log_softmax"}


def loss_input(job: Job) -> Iterator[Plan]:
    """What all the losses expect: scores as they are, or the logarithms of probabilities."""
    losses = job.arguments["losses"]
    wanted = set(losses) if isinstance(losses, tuple) else set()
    if wanted and wanted <= _OF_SCORES:
        yield from _without(job)
    elif wanted == {"nll_loss"}:
        yield _logarithm(job)
    else:
        raise NoEdit("the losses that it goes to expect different inputs")


def _without(job: Job) -> Iterator[Plan]:
    """The activation removed: a registered layer, or a call that has no layer to remove."""
    act = job.layers["of"]
    if isinstance(act, Op) and len(job.view.successors(act)) > 1:
        raise NoEdit("more than the loss reads its result")
    if not isinstance(act, Op) or act.call is None or not _is_made_there(job, act):
        yield from remove(job)
        return
    syntax = job.syntax(act.call.path)
    splices = input_kept(wrapping(syntax, act))
    change = Change(removed=True, renames=True)
    message = f"remove {name_of(act)}, which the loss computes"
    yield Plan(syntax.source.path, splices, message, change, called={"of": act.call})


def _is_made_there(job: Job, act: Op) -> bool:
    """True for a function, and for a layer that is built where it is called."""
    if act.construction is None:
        return True
    syntax = job.syntax_at(act.construction, act)
    call = syntax.call_at(act.call)
    return call is not None and call.func is syntax.call_at(act.construction)


def _logarithm(job: Job) -> Plan:
    found = FoundCall(job, job.layers["of"])
    old = found.subject.types[0].rpartition(".")[2] if found.subject.types else ""
    new = _LOGARITHMS.get(old)
    if new is None:
        raise NoEdit(f"nll_loss expects log_softmax, and {name_of(found.subject)} is no softmax")
    renames = old == "softmax" or is_numbered(found.subject)
    plan = found.plan(renamed(found, new), f"use {new} for {old}", ())
    return replace(plan, change=Change(kind=True, renames=renames))


ACTIONS = (Action("loss-input", loss_input, arguments=("losses",)),)
