"""Facts about what reads a result first: a norm, an activation, or another kernel."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View, fits

TO_ACTIVATION = Tags(any_of=("passthrough", "pooling", "dropout", "pad"), none_of=("norm",))
DIRECT = ("passthrough", "pooling", "dropout", "pad", "reshape", "split")
MERGED = ("scale", "upsample", "pixelshuffle", "add", "concat", "product")
TO_NORM = Tags(any_of=(*DIRECT, *MERGED))
"""A pre-activation block is normed by the norm after its add, a dense one after its concat."""


def normed_after(view: View, op: Op) -> Answer:
    """Whether a norm reads the result before any kernel or activation does.

    Looks through passthrough, pooling, pad, dropout, reshapes, splits and merges.
    """
    return view.once(_normed_after)[op.id]


def activated_after(view: View, op: Op) -> Answer:
    """Whether an activation reads the result before any kernel or norm does, looking as far."""
    return view.once(_activated_after)[op.id]


def _normed_after(view: View) -> dict[str, Answer]:
    return _met_first(view, "norm")


def _activated_after(view: View) -> dict[str, Answer]:
    return _met_first(view, "activation")


def _met_first(view: View, tag: str) -> dict[str, Answer]:
    """The answer for every op: one pass backwards, since merges follow merges all the way."""
    known: dict[str, Answer] = {}
    for op in reversed(view.ops):
        answers = {_met(reader, tag, known) for reader in view.successors(op)}
        known[op.id] = True if True in answers else UNKNOWN if UNKNOWN in answers else False
    return known


def _met(reader: Op, tag: str, known: Mapping[str, Answer]) -> Answer:
    if tag in reader.tags:
        return True
    if "opaque" in reader.tags:
        return UNKNOWN
    return known.get(reader.id, False) if fits(reader.tags, TO_NORM) else False


def normed_late(view: View, op: Op) -> Answer:
    """Whether a norm follows directly behind the activation that reads the result."""
    acts = [o for o in view.reach(op, TO_ACTIVATION) if "activation" in o.tags]
    return any(normed_after(view, act) is True for act in acts)


def feeds_activation(view: View, op: Op) -> Answer:
    """Whether an activation follows, with or without a norm in between."""
    through = Tags(any_of=(*TO_ACTIVATION.any_of, "norm"), none_of=("fused",))
    met = view.reach(op, through)
    return any(o.tags & {"activation", "fused"} for o in met)
