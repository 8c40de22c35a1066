"""Facts about layers over a sequence: which axis their readers take for it, what attention sums."""

from __future__ import annotations

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.carried import in_shape
from bnlint.graph.facts.fact import UNKNOWN, Answer, op_fact
from bnlint.graph.view import View

_LEAVES_AXES = Tags(
    any_of=("passthrough", "activation", "norm", "dropout", "dense", "residual", "recurrent",
            "attention"),
    none_of=("batchnorm", "slice", "reshape"),
)  # fmt: skip
_SCORING = Tags(
    any_of=("passthrough", "dropout", "scale", "product", "add", "arithmetic"),
    none_of=("reshape", "slice"),
)
"""What lies between the product of queries and keys and its softmax: a scale, a bias, a mask."""
_WEIGHING = Tags(any_of=("passthrough", "dropout"), none_of=("reshape", "slice"))


@op_fact("read-batch-first", shapes=True)
def read_batch_first(view: View, op: Op) -> Answer:
    """Whether what comes after takes dim 1 for the sequence: its last element, or its mean.

    Layers that leave the axes as they are lie between.
    """
    return any(_takes_sequence(reader) for reader in view.reach(op, _LEAVES_AXES))


def _takes_sequence(reader: Op) -> bool:
    shape, indices = in_shape(reader), reader.facts.get("indices")
    if shape is None or len(shape) != 3 or shape[1] == 1:
        return False
    if isinstance(indices, tuple):
        return indices[:2] == ("keep", "pick last")
    return "reduce" in reader.tags and reader.facts.get("dim") in (1, (1,), -2, (-2,))


@op_fact("of-scores")
def of_scores(view: View, op: Op) -> Answer:
    """Whether a product of two results comes before a softmax, as queries and keys do.

    A scale, a bias or a mask may lie between. False for anything but a softmax.
    """
    if "softmax" not in op.tags:
        return False
    behind = view.beyond(op, _SCORING, back=True)
    return any("matmul" in o.tags and len(set(view.behind[view.order(o)])) == 2 for o in behind)


@op_fact("summed-axis")
def summed_axis(view: View, op: Op) -> Answer:
    """The axis, from the end, over which the products that read the weights of a softmax sum.

    Unknown where something else reads it, and where the products sum over different axes.
    """
    readers = view.beyond(op, _WEIGHING)
    found = {_summed(view, reader, op) for reader in readers}
    (axis,) = found if len(found) == 1 else (None,)
    return UNKNOWN if axis is None else axis


def _summed(view: View, product: Op, weights: Op) -> int | None:
    """The axis of the weights that a product with other results sums over, from the end."""
    sources = [view.op(o.id) for o in view.predecessors(product)]
    if "matmul" not in product.tags or len(sources) != 2:
        return None
    met = {weights.id, *(o.id for o in view.reach(weights, _WEIGHING))}
    slots = [slot for slot, source in enumerate(sources) if source.id in met]
    if len(slots) != 1:
        return None
    if product.exact.get("name") == "einsum":
        return _summed_by(str(product.exact.get("0", "")), slots[0])
    return (-1, -2)[slots[0]]


def _summed_by(equation: str, slot: int) -> int | None:
    """The only axis of an operand, from the end, that ``einsum`` sums over."""
    operands, _, result = equation.replace(" ", "").replace("...", "").partition("->")
    letters = operands.split(",")[slot]
    gone = [place - len(letters) for place, letter in enumerate(letters) if letter not in result]
    leading = equation.replace(" ", "").split(",")[slot].find("...") <= 0
    return gone[0] if len(gone) == 1 and result and leading else None
