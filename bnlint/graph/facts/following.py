"""Facts about what reads a result first: a norm, an activation, or another kernel."""

from __future__ import annotations

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View

TO_ACTIVATION = Tags(any_of=("passthrough", "pooling", "dropout", "pad"), none_of=("norm",))
OPAQUE = Tags(any_of=("opaque",))
DIRECT = ("passthrough", "pooling", "dropout", "pad", "reshape", "split")
MERGED = ("scale", "upsample", "pixelshuffle", "add", "concat", "product")
TO_NORM = Tags(any_of=(*DIRECT, *MERGED))
"""A pre-activation block is normed by the norm after its add, a dense one after its concat."""


def normed_after(view: View, op: Op) -> Answer:
    """Whether a norm reads the result before any kernel or activation does.

    Looks through passthrough, pooling, pad, dropout, reshapes, splits and merges.
    """
    return view.once(_normed_after)[view.order(op)]


def activated_after(view: View, op: Op) -> Answer:
    """Whether an activation reads the result before any kernel or norm does, looking as far."""
    return view.once(_activated_after)[view.order(op)]


def _normed_after(view: View) -> list[Answer]:
    return _met_first(view, "norm")


def _activated_after(view: View) -> list[Answer]:
    return _met_first(view, "activation")


def _met_first(view: View, tag: str) -> list[Answer]:
    """The answer by position: one pass backwards, since merges follow merges all the way."""
    wanted, opaque, through = map(view.marks, (Tags(any_of=(tag,)), OPAQUE, TO_NORM))
    known: list[Answer] = [False] * len(wanted)
    for n in reversed(range(len(known))):
        for m in view.ahead(n):
            met = True if wanted[m] else UNKNOWN if opaque[m] else through[m] and known[m]
            if met is True:
                known[n] = True
                break
            if met is UNKNOWN:
                known[n] = UNKNOWN
    return known


def normed_late(view: View, op: Op) -> Answer:
    """Whether a norm follows directly behind the activation that reads the result."""
    acts = [o for o in view.reach(op, TO_ACTIVATION) if "activation" in o.tags]
    return any(normed_after(view, act) is True for act in acts)


def feeds_activation(view: View, op: Op) -> Answer:
    """Whether an activation follows, with or without a norm in between."""
    through = Tags(any_of=(*TO_ACTIVATION.any_of, "norm"), none_of=("fused",))
    met = view.reach(op, through)
    return any(o.tags & {"activation", "fused"} for o in met)
