"""Facts carried along the data flow: rank, layout, channels, whether a value was normalised.

By traced shapes where there are any; else followed from the layers that fix them, which needs no
input: one pass over the ops in the order of execution, whatever the branches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from bnlint.domain.graph import Op, Shape
from bnlint.graph.facts.fact import UNKNOWN, Answer, Unknown, op_fact
from bnlint.graph.facts.surroundings import pooled
from bnlint.graph.view import KERNEL, View
from bnlint.layers.table import having, rank_of

T = TypeVar("T")

KEEPS_NORM = having("keeps", "norm")
SETS_DISTRIBUTION = having("sets", "distribution")
SETS_LAST = having("sets", "last")
MERGES = having("acts", "merging")
KEEPS_LAYOUT = having("keeps", "rank") | MERGES
KEEPS = having("keeps", "channels")
KEEPS_FIRST = having("keeps", "maps")
"""These work on the axes after the channels, so they keep channels that come before those."""
LAST_AXIS = having("reads", "last")
SETS = having("sets", "channels")
ELEMENTWISE_MERGES = having("acts", "merging") - {"concat"}


def in_shape(op: Op) -> Shape | None:
    """The shape of the op's first tensor argument, if it was traced."""
    return op.inputs[0] if op.inputs else None


def out_shape(op: Op) -> Shape | None:
    """The shape of the op's first result, if it was traced."""
    return op.outputs[0] if op.outputs else None


op_fact("in-shape", "shape of the first tensor argument", shapes=True)(
    lambda _, op: _or_unknown(in_shape(op))
)
op_fact("out-shape", "shape of the first result", shapes=True)(
    lambda _, op: _or_unknown(out_shape(op))
)


def _or_unknown(value: T | None) -> T | Unknown:
    return UNKNOWN if value is None else value


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
    return _or_unknown(rank_of(op.tags) if "conv" in op.tags else None)


@op_fact("in-rank", shapes=True)
def in_rank(view: View, op: Op) -> Answer:
    """Number of axes of the input: by shapes, else followed from the producer."""
    shape = settled_shape(op)
    return rank_by_layers(view, op) if shape is None else len(shape)


def rank_by_layers(view: View, op: Op) -> int | Unknown:
    """How many axes the input has, followed from the producer and not read from shapes."""
    return _or_unknown(view.arriving(op, _rank_after))


def _rank_after(op: Op, arriving: list[int | Unknown]) -> int | Unknown:
    if "conv" in op.tags:
        dims = spatial_dims(op)
        return UNKNOWN if isinstance(dims, Unknown) else dims + 2
    if op.kind == "flatten" and op.facts.get("start-dim") == 1:
        return 2
    if op.kind == "globalpool":
        return UNKNOWN  # a mean: it may drop the axes
    if op.tags & KEEPS_LAYOUT or "dense" in op.tags:
        return _agreed(arriving)
    return UNKNOWN


def _agreed(arriving: Sequence[T]) -> T | Unknown:
    return arriving[0] if len(set(arriving)) == 1 else UNKNOWN


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
    return 1 if "conv" in op.tags and view.once(pooled)[view.order(op)] else UNKNOWN


def _size(op: Op, axis: int) -> Answer:
    shape = in_shape(op) or ()
    return shape[axis] if -len(shape) <= axis < len(shape) else UNKNOWN


op_fact("batch", "size of axis 0 of the input", shapes=True)(lambda _, op: _size(op, 0))
op_fact("axis-1", "size of axis 1 of the input", shapes=True)(lambda _, op: _size(op, 1))
op_fact("axis-last", "size of the last axis of the input", shapes=True)(lambda _, op: _size(op, -1))


@op_fact("normalised-before")
def normalised(view: View, op: Op) -> Answer:
    """Whether a norm lies between it and the kernel behind it."""
    return _or_unknown(view.arriving(op, _normalised_after))


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
    return _or_unknown(view.arriving(op, _layout_after))


def _layout_after(op: Op, arriving: list[bool | Unknown]) -> bool | Unknown:
    if op.tags & SETS_LAST:
        return True
    if "recurrent" in op.tags:
        return True if op.facts.get("channels-last") is True else UNKNOWN
    if "conv" in op.tags:
        return False
    return _agreed(arriving) if op.tags & KEEPS_LAYOUT else UNKNOWN


@dataclass(frozen=True, slots=True)
class Carried:
    """The channels of a result: how many, and on which axis.

    That is the first (after the batch), the last, the only one there is, or empty for unknown.
    """

    count: int | Unknown = UNKNOWN
    axis: str = ""


NOTHING: Final = Carried()


@op_fact("channels-arriving", shapes=True)
def channels_arriving(view: View, op: Op) -> Answer:
    """Channels of the input: by shapes, else followed from the producing kernel."""
    shape = settled_shape(op)
    if shape is not None:
        return channels_of_shape(op, shape)
    if op.facts.get("alone") is True or op.facts.get("custom") is True:
        return UNKNOWN
    carried = view.arriving(op, _after) or NOTHING
    return carried.count if _reads(op, carried.axis) else UNKNOWN


def _reads(op: Op, axis: str) -> bool:
    """True when the op takes the axis for channels.

    A batch norm behind a dense kernel does: all that it can read besides (N, C) is (N, L, C), of
    which it would take the wrong axis.
    """
    if op.tags & LAST_AXIS:
        return axis in ("last", "only")
    return axis in ("first", "only") or (axis == "last" and "batchnorm" in op.tags)


def channels_of_shape(op: Op, shape: Shape) -> int | Unknown:
    """The channel axis of an input ``shape`` as ``op`` reads it."""
    if not shape:
        return UNKNOWN
    if op.tags & LAST_AXIS:
        return shape[-1]
    axis = 1
    if "conv" in op.tags:
        dims = spatial_dims(op)
        if isinstance(dims, Unknown):
            return UNKNOWN
        axis = len(shape) - dims - 1
    return shape[axis] if 0 <= axis < len(shape) else UNKNOWN


def _after(op: Op, arriving: Sequence[Carried]) -> Carried:
    first = arriving[0] if arriving else NOTHING
    if op.tags & SETS:
        return _after_kernel(op, first)
    if isinstance(op.facts.get("channels"), int) and not op.tags & LAST_AXIS:
        return _after_norm(op, first)
    if "concat" in op.tags:
        return _joined(op, arriving)
    if op.tags & ELEMENTWISE_MERGES:
        return first if arriving and all(a == first for a in arriving) else NOTHING
    if "globalpool" in op.tags:
        return Carried(first.count, "only") if first.axis == "first" else NOTHING
    if op.kind == "flatten":
        return first if first.axis == "only" else NOTHING
    return first if _keeps(op, first.axis) else NOTHING


def _keeps(op: Op, axis: str) -> bool:
    if "gated" in op.tags:
        return False  # half of the channels gate the others
    spatial = bool(op.tags & KEEPS_FIRST) or ("pad" in op.tags and op.layer == op.module)
    return bool(op.tags & KEEPS) or (spatial and axis == "first")


def _after_kernel(op: Op, arriving: Carried) -> Carried:
    count = op.facts.get("out-channels")
    if not isinstance(count, int) or op.facts.get("custom") is True:
        return NOTHING
    if "conv" in op.tags:
        return Carried(count, "first")
    return Carried(count, "only" if arriving.axis == "only" else "last")


def _after_norm(op: Op, arriving: Carried) -> Carried:
    """A norm insists on its channels; where others arrive it is at fault, not what follows."""
    count = op.facts["channels"]
    assert isinstance(count, int)
    if not isinstance(arriving.count, Unknown):
        return arriving if arriving.count == count else NOTHING
    spatial = "batchnorm" in op.tags and (rank_of(op.tags) or 0) > 1
    return Carried(count, "first") if spatial else NOTHING


def _joined(op: Op, parts: Sequence[Carried]) -> Carried:
    """Concatenated channels add up, when it is along their axis."""
    dim = op.facts.get("dim")
    axis = "first" if dim == 1 else "last" if dim == -1 else ""
    counts = [p.count for p in parts if not isinstance(p.count, Unknown)]
    if not counts or len(counts) < len(parts) or any(p.axis not in (axis, "only") for p in parts):
        return NOTHING
    return Carried(sum(counts), parts[0].axis)


@op_fact("misled")
def misled(view: View, op: Op) -> Answer:
    """Whether a failure upstream, with no kernel since, explains what arrives."""
    blamed = view.once(_misled)
    return any(blamed[n] for n in view.behind[view.order(op)])


def _misled(view: View) -> list[bool]:
    """Whether each position's result depends on a failure; a kernel sets its channels itself."""
    kernels = view.marks(KERNEL)
    found = [False] * len(kernels)
    for n, op in enumerate(view.ops):
        if not kernels[n]:
            found[n] = op.error is not None or any(found[m] for m in view.behind[n])
    return found


@op_fact("ran")
def ran(_: View, op: Op) -> Answer:
    """Whether it ran on the traced shapes; unknown without any."""
    if op.error is not None:
        return False
    return True if out_shape(op) is not None and in_shape(op) is not None else UNKNOWN
