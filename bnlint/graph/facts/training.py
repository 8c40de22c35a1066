"""Facts from the training code: which losses the results of the model go to."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bnlint.domain.graph import Location, LossUse, Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import UNKNOWN, Answer, model_fact, op_fact
from bnlint.graph.view import View
from bnlint.layers.losses import loss_named

LOSS = Tags(any_of=("loss",))
EXPECTED = {
    "cross_entropy": "raw scores",
    "binary_cross_entropy_with_logits": "raw scores",
    "binary_cross_entropy": "probabilities (a sigmoid)",
    "nll_loss": "logarithms of probabilities (log_softmax)",
}
TO_RESULT = Tags(any_of=("passthrough", "reshape", "dropout"), none_of=("slice",))
"""What lies between an operation and the result that it computes."""


@op_fact("losses")
def losses(view: View, op: Op) -> Answer:
    """Losses that forward or the training code applies to the result that it computes, as it is.

    They are named as torch's functions: cross_entropy. Empty where nothing certain is known.
    """
    return tuple(dict.fromkeys(use.loss for use in _uses_of(view, op) if not use.after))


@op_fact("losses-after")
def losses_after(view: View, op: Op) -> Answer:
    """The same where the training code applies an activation before: softmax+cross_entropy."""
    each = ("+".join((*use.after, use.loss)) for use in _uses_of(view, op) if use.after)
    return tuple(dict.fromkeys(each))


@op_fact("loss-place")
def loss_place(view: View, op: Op) -> Answer:
    """Where the first of these losses is applied: train.py:31."""
    return next((_shown(use.place) for use in _uses_of(view, op)), UNKNOWN)


@op_fact("loss-name")
def loss_name(view: View, op: Op) -> Answer:
    """The first of these losses."""
    return next((use.loss for use in _uses_of(view, op)), UNKNOWN)


@op_fact("loss-expects")
def loss_expects(view: View, op: Op) -> Answer:
    """What that loss expects, in words."""
    return EXPECTED.get(str(loss_name(view, op)), UNKNOWN)


@model_fact("losses")
def model_losses(view: View) -> Answer:
    """Losses that the training code applies to any result of it."""
    return tuple(dict.fromkeys(use.loss for use in view.graph.training.losses))


@model_fact("evaluated")
def evaluated(view: View) -> Answer:
    """Whether the project calls it with gradients disabled."""
    return view.graph.training.evaluated is not None


@model_fact("evaluated-place")
def evaluated_place(view: View) -> Answer:
    """Where the project calls it with gradients disabled: test.py:12."""
    return _shown(view.graph.training.evaluated)


@model_fact("switched")
def switched(view: View) -> Answer:
    """Whether any file of its training code sets a model to evaluation mode."""
    return view.graph.training.switched


def _shown(place: Location | None) -> str:
    if place is None:
        return ""
    cell = f"cell {place.cell}:" if place.cell else ""
    return f"{os.path.basename(place.path)}:{cell}{place.line}"


def _uses_of(view: View, op: Op) -> Iterator[LossUse]:
    """The uses of the results that the operation computes, first those in the model itself."""
    yield from _inner_uses(view, op)
    uses = view.graph.training.losses
    yield from (use for place in _places(view, op) for use in uses if _is_of(use.result, place))


def _inner_uses(view: View, op: Op) -> Iterator[LossUse]:
    """The losses that the forward itself applies to the result."""
    if "output" in op.tags or not view.positions(LOSS):
        return
    for reader in (o for o in view.reach(op, TO_RESULT) if "loss" in o.tags):
        name = loss_named(str(reader.facts.get("class", "")))
        scores = view.predecessors(reader)[:1]
        same = scores and (scores[0] is op or scores[0] in view.reach(op, TO_RESULT))
        if name and same:
            yield LossUse(name, place=reader.call)


def _places(view: View, op: Op) -> Iterator[str]:
    """Where in the model's result that of the operation is."""
    if not view.graph.training.losses:
        return
    mine = {o.id for o in view.reach(op, TO_RESULT)} if "output" not in op.tags else {op.id}
    computed = {op.id} | {o.id for o in view.reach(op, TO_RESULT) if "output" not in o.tags}
    for output in view.fitting(Tags(any_of=("output",))):
        places = output.facts.get("places")
        if output.id not in mine or not isinstance(places, tuple):
            continue
        edges = (e for e in view.graph.edges if e.target == output.id and e.slot < len(places))
        for edge in edges:
            if op is output or edge.source in computed:
                yield str(places[edge.slot])


def _is_of(used: str, place: str) -> bool:
    """Whether what the training code takes of a result lies in what is at ``place``."""
    return not place or used == place or used.startswith(f"{place}.")
