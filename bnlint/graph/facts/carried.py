"""Facts carried along the data flow: rank, layout, channels, whether a value was normalized.

By traced shapes where there are any; else followed from the layers that fix them, which needs no
input: one pass over the ops in the order of execution, whatever the branches.
"""

from __future__ import annotations

import math
from typing import TypeVar

from bnlint.domain.graph import Op, Shape
from bnlint.graph.facts.fact import UNKNOWN, Answer, Unknown, op_fact
from bnlint.graph.facts.layouts.axis import CHANNELS, Axis, Layout
from bnlint.graph.facts.layouts.layout_pass import arriving_at, followed, spatial_axes
from bnlint.graph.facts.surroundings import pooled
from bnlint.graph.view import KERNEL, View
from bnlint.layers.table import having

T = TypeVar("T")

KEEPS_NORM = having("keeps", "norm")
SETS_DISTRIBUTION = having("sets", "distribution")
MERGES = having("acts", "merging")
LAST_AXIS = having("reads", "last")


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


@op_fact("in-rank", shapes=True)
def in_rank(view: View, op: Op) -> Answer:
    """Number of axes of the input: by shapes, else followed from the producer."""
    shape = settled_shape(op)
    return rank_by_layers(view, op) if shape is None else len(shape)


def rank_by_layers(view: View, op: Op) -> int | Unknown:
    """How many axes the input has, followed from the producer and not read from shapes."""
    return _or_unknown(followed(view, op).rank)


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
    """Whether the channels (features) that arrive are on the last axis."""
    for layout in (followed(view, op), arriving_at(view, op)):
        roles = [axis.role for axis in layout.axes]
        if CHANNELS in roles:
            return roles[-1] == CHANNELS
    return UNKNOWN


@op_fact("channels-arriving", shapes=True)
def channels_arriving(view: View, op: Op) -> Answer:
    """Channels of the input: by shapes, else followed from the producing kernel."""
    shape = settled_shape(op)
    if shape is not None:
        return channels_of_shape(op, shape)
    if op.facts.get("alone") is True or op.facts.get("custom") is True:
        return UNKNOWN
    return _or_unknown(_channel_axis(op, followed(view, op)).size)


def _channel_axis(op: Op, layout: Layout) -> Axis:
    """The axis that the op takes for channels.

    Where only the last axis is known, that is the one a batch norm takes behind a dense kernel: all
    that it can read besides (N, C) is (N, L, C), of which it would take the wrong axis.
    """
    if op.tags & LAST_AXIS or (layout.open and "batchnorm" in op.tags):
        return layout.axis(-1)
    if layout.open:
        return Axis()
    if "conv" not in op.tags:
        return layout.axis(1)
    axes = spatial_axes(op)
    if axes is None or layout.rank is None or layout.rank - axes not in (1, 2):
        return Axis()
    return layout.axis(-axes - 1)


def channels_of_shape(op: Op, shape: Shape) -> int | Unknown:
    """The channel axis of an input ``shape`` as ``op`` reads it."""
    if not shape:
        return UNKNOWN
    if op.tags & LAST_AXIS:
        return shape[-1]
    axis = 1
    if "conv" in op.tags:
        dims = spatial_axes(op)
        if dims is None:
            return UNKNOWN
        axis = len(shape) - dims - 1
    return shape[axis] if 0 <= axis < len(shape) else UNKNOWN


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
