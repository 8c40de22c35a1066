"""Facts carried along the data flow: rank, layout, whether a value was normalised.

Each is one pass over the ops in the order of execution, whatever the branches.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bnlint.domain.graph import Op, Shape
from bnlint.graph.facts import neighbours
from bnlint.graph.facts.fact import UNKNOWN, Answer, Unknown, op_fact
from bnlint.graph.view import View
from bnlint.layers.table import having, rank_of

KEEPS_NORM = having("keeps", "norm")
SETS_DISTRIBUTION = having("sets", "distribution")
SETS_LAST = having("sets", "last")
MERGES = having("acts", "merging")
KEEPS_LAYOUT = having("keeps", "rank") | MERGES


def in_shape(op: Op) -> Shape | None:
    """The shape of the op's first tensor argument, if it was traced."""
    return op.inputs[0] if op.inputs else None


def out_shape(op: Op) -> Shape | None:
    """The shape of the op's first result, if it was traced."""
    return op.outputs[0] if op.outputs else None


@op_fact("in-shape", shapes=True)
def _in_shape(_: View, op: Op) -> Answer:
    """Shape of the first tensor argument."""
    shape = in_shape(op)
    return UNKNOWN if shape is None else shape


@op_fact("out-shape", shapes=True)
def _out_shape(_: View, op: Op) -> Answer:
    """Shape of the first result."""
    shape = out_shape(op)
    return UNKNOWN if shape is None else shape


def settled_shape(op: Op) -> Shape | None:
    """The input's shape where running the op on it proved something: it ran, or it failed.

    A guessed input that did not fit leaves neither a result nor an error.
    """
    return in_shape(op) if op.error is not None or out_shape(op) is not None else None


def spatial_dims(op: Op) -> int | Unknown:
    """1, 2 or 3 for a convolution."""
    size = op.facts.get("kernel-size")
    if isinstance(size, tuple):
        return len(size)
    rank = rank_of(op.tags) if "conv" in op.tags else None
    return UNKNOWN if rank is None else rank


@op_fact("in-rank", shapes=True)
def in_rank(view: View, op: Op) -> Answer:
    """Number of axes of the input: by shapes, else followed from the producer."""
    shape = settled_shape(op)
    if shape is not None:
        return len(shape)
    return rank_by_layers(view, op)


def rank_by_layers(view: View, op: Op) -> int | Unknown:
    """How many axes the input has, followed from the producer and not read from shapes."""
    source = view.source(op)
    return UNKNOWN if source is None else view.once(View.forward, _rank_after)[source]


def _rank_after(op: Op, arriving: list[int | Unknown]) -> int | Unknown:
    if "conv" in op.tags:
        dims = spatial_dims(op)
        return UNKNOWN if isinstance(dims, Unknown) else dims + 2
    if op.kind == "flatten" and op.facts.get("start-dim") == 1:
        return 2
    if op.kind == "globalpool":
        return UNKNOWN  # a mean: it may drop the axes
    if arriving and (op.tags & KEEPS_LAYOUT or "dense" in op.tags):
        return arriving[0] if len(set(arriving)) == 1 else UNKNOWN
    return UNKNOWN


@op_fact("spatial-size", shapes=True)
def spatial_size(_: View, op: Op) -> Answer:
    """Positions of the input map: product of the axes after the channels."""
    shape = in_shape(op)
    return UNKNOWN if shape is None else math.prod(shape[2:])


@op_fact("out-spatial-size", shapes=True)
def out_spatial_size(view: View, op: Op) -> Answer:
    """Positions of the result: by shapes, else 1 for a convolution behind a global pool."""
    shape = out_shape(op)
    if shape is not None:
        return math.prod(shape[2:])
    return 1 if "conv" in op.tags and neighbours.pooled(view, op) is True else UNKNOWN


def _axis_size(axis: int) -> Callable[[View, Op], Answer]:
    def size(_: View, op: Op) -> Answer:
        shape = in_shape(op)
        return UNKNOWN if shape is None or not -len(shape) <= axis < len(shape) else shape[axis]

    return size


op_fact("batch", "size of axis 0 of the input", shapes=True)(_axis_size(0))
op_fact("axis-1", "size of axis 1 of the input", shapes=True)(_axis_size(1))
op_fact("axis-last", "size of the last axis of the input", shapes=True)(_axis_size(-1))


@op_fact("normalised-before")
def normalised(view: View, op: Op) -> Answer:
    """Whether a norm lies between it and the kernel behind it."""
    source = view.source(op)
    return UNKNOWN if source is None else view.once(View.forward, _normalised_after)[source]


def _normalised_after(op: Op, arriving: list[bool | Unknown]) -> bool | Unknown:
    if "norm" in op.tags:
        return True
    if op.tags & SETS_DISTRIBUTION:
        return False
    if "opaque" in op.tags or not arriving:
        return UNKNOWN
    if op.tags & MERGES:
        return True if True in arriving else UNKNOWN if UNKNOWN in arriving else False
    return arriving[0] if op.tags & KEEPS_NORM else UNKNOWN


@op_fact("channels-last")
def channels_last(view: View, op: Op) -> Answer:
    """Whether the producer keeps channels on the last axis; unknown after a reshape."""
    source = view.source(op)
    return UNKNOWN if source is None else view.once(View.forward, _layout_after)[source]


def _layout_after(op: Op, arriving: list[bool | Unknown]) -> bool | Unknown:
    if op.tags & SETS_LAST:
        return True
    if "recurrent" in op.tags:
        return True if op.facts.get("channels-last") is True else UNKNOWN
    if "conv" in op.tags:
        return False
    if arriving and op.tags & KEEPS_LAYOUT:
        return arriving[0] if len(set(arriving)) == 1 else UNKNOWN
    return UNKNOWN
