"""Facts about what lies ahead of an operation or behind it, past its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import UNKNOWN, Answer, model_fact, op_fact
from bnlint.graph.view import View, through

TO_ACTIVATION = through("block", none_of=("norm",))
OPAQUE = Tags(any_of=("opaque",))
TO_NORM = through("norming")
"""A pre-activation block is normed by the norm after its add, a dense one after its concat."""
TO_OUTPUT = through("output")


@op_fact("normed-after")
def normed_after(view: View, op: Op) -> Answer:
    """Whether a norm reads the result before a kernel or activation does, merges aside.

    Looks through passthrough, pooling, pad, dropout, reshapes, splits and merges.
    """
    return view.once(_met_first, "norm")[view.order(op)]


@op_fact("activated-after")
def activated_after(view: View, op: Op) -> Answer:
    """Whether an activation reads the result before a kernel or norm does, merges aside."""
    return view.once(_met_first, "activation")[view.order(op)]


def _met_first(view: View, tag: str) -> list[Answer]:
    """The answer by position: one pass backwards, since merges follow merges all the way."""
    wanted, opaque, walked = map(view.marks, (Tags(any_of=(tag,)), OPAQUE, TO_NORM))
    known: list[Answer] = [False] * len(wanted)
    for n in reversed(range(len(known))):
        for m in view.ahead(n):
            met = True if wanted[m] else UNKNOWN if opaque[m] else walked[m] and known[m]
            if met is True:
                known[n] = True
                break
            if met is UNKNOWN:
                known[n] = UNKNOWN
    return known


@op_fact("normed-late")
def normed_late(view: View, op: Op) -> Answer:
    """Whether a norm follows directly behind the activation that reads it."""
    acts = [o for o in view.reach(op, TO_ACTIVATION) if "activation" in o.tags]
    return any(normed_after(view, act) is True for act in acts)


@op_fact("feeds-activation")
def feeds_activation(view: View, op: Op) -> Answer:
    """Whether an activation follows, with or without a norm between."""
    through = Tags(any_of=(*TO_ACTIVATION.any_of, "norm"), none_of=("fused",))
    met = view.reach(op, through)
    return any(o.tags & {"activation", "fused"} for o in met)


@op_fact("first-kernel")
def first_kernel(view: View, op: Op) -> Answer:
    """Whether no kernel lies behind.

    Unknown behind a part that could not be traced.
    """
    return _none(op, view.once(_behind, "kernel"), view.once(_behind, "opaque"))


@op_fact("last-kernel")
def last_kernel(view: View, op: Op) -> Answer:
    """Whether no kernel lies ahead.

    Unknown ahead of a part that could not be traced.
    """
    return _none(op, view.once(_ahead, "kernel"), view.once(_ahead, "opaque"))


@op_fact("norm-ahead")
def norm_ahead(view: View, op: Op) -> Answer:
    """Whether a norm lies anywhere ahead."""
    absent = _none(op, view.once(_ahead, "norm"), view.once(_ahead, "opaque"))
    return absent if absent is UNKNOWN else not absent


def _none(op: Op, seen: frozenset[str], hidden: frozenset[str]) -> Answer:
    if op.id in seen:
        return False
    return UNKNOWN if op.id in hidden else True


def _carry(ops: Iterable[Op], beside: Callable[[Op], tuple[Op, ...]], tag: str) -> frozenset[str]:
    """The ops on whose side, near or far, an op with ``tag`` lies; one pass."""
    found: set[str] = set()
    for op in ops:
        if any(o.id in found or tag in o.tags for o in beside(op)):
            found.add(op.id)
    return frozenset(found)


def _behind(view: View, tag: str) -> frozenset[str]:
    return _carry(view.ops, view.predecessors, tag)


def _ahead(view: View, tag: str) -> frozenset[str]:
    return _carry(reversed(view.ops), view.successors, tag)


@model_fact("classifier")
def classifier(view: View) -> Answer:
    """Whether a result comes from a dense kernel that narrows.

    Looks back from the outputs through norms, softmax, dropout and reshapes. Unknown without an
    output in the graph.
    """
    outputs = view.fitting(Tags(any_of=("output",)))
    if not outputs:
        return UNKNOWN
    ends = [o for output in outputs for o in view.beyond(output, TO_OUTPUT, back=True)]
    return any("dense" in op.tags and _narrows(op) for op in ends)


def _narrows(op: Op) -> bool:
    wide, narrow = op.facts.get("in-channels"), op.facts.get("out-channels")
    return isinstance(wide, int) and isinstance(narrow, int) and narrow < wide
