"""Facts carried along the data flow: rank, layout, whether a value was normalised.

Each is one pass over the ops in the order of execution, whatever the branches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from bnlint.domain.graph import Op, Shape
from bnlint.graph.facts import neighbours
from bnlint.graph.facts.answer import UNKNOWN, Answer, Unknown
from bnlint.graph.view import View

KEEPS_CHANNELS = frozenset(
    ("passthrough", "activation", "pooling", "dropout", "upsample", "scale", "norm", "detach",
     "softmax", "output")
)  # fmt: skip
KEEPS_RANK = KEEPS_CHANNELS | {"pad"}
KEEPS_NORM = KEEPS_RANK | {"reshape", "split", "pixelshuffle", "reduce"}
MERGES = frozenset(("add", "concat", "product"))
KEEPS_LAYOUT = KEEPS_RANK | MERGES
SPATIAL = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
BATCH_NORM_RANKS: Mapping[int, tuple[int, ...]] = {1: (2, 3), 2: (4,), 3: (5,)}


def in_shape(op: Op) -> Shape | None:
    """The shape of the op's first tensor argument, if it was traced."""
    return op.inputs[0] if op.inputs else None


def out_shape(op: Op) -> Shape | None:
    """The shape of the op's first result, if it was traced."""
    return op.outputs[0] if op.outputs else None


def settled_shape(op: Op) -> Shape | None:
    """The input's shape where running the op on it proved something: it ran, or it failed.

    A made-up input that only did not suit leaves neither a result nor an error.
    """
    return in_shape(op) if op.error is not None or out_shape(op) is not None else None


def spatial_dims(op: Op) -> int | Unknown:
    """1, 2 or 3 for a convolution."""
    size = op.facts.get("kernel-size")
    if isinstance(size, tuple):
        return len(size)
    for tag in op.tags:
        for name, dims in SPATIAL.items():
            if tag.replace("transpose", "").replace("lazy", "") == name:
                return dims
    return UNKNOWN


def in_rank(view: View, op: Op) -> Answer:
    """How many axes the input has: by shapes, else as the convolution or flatten behind left it."""
    shape = settled_shape(op)
    if shape is not None:
        return len(shape)
    return _rank_by_layers(view, op)


def _rank_by_layers(view: View, op: Op) -> int | Unknown:
    source = view.source(op)
    return UNKNOWN if source is None else view.once(_ranks)[source]


def _ranks(view: View) -> list[int | Unknown]:
    return view.forward(_rank_after)


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


def ranks_allowed(view: View, op: Op) -> Answer:
    """The numbers of axes that a norm accepts; unknown for norms that accept any."""
    rank = next((n for n in (1, 2, 3) if f"batchnorm{n}d" in op.tags), op.facts.get("rank"))
    if not isinstance(rank, int) or "syncbatchnorm" in op.tags:
        return UNKNOWN
    if "batchnorm" in op.tags:
        return BATCH_NORM_RANKS.get(rank, UNKNOWN)
    if "instancenorm" not in op.tags:
        return UNKNOWN
    # One sample is accepted too, but a batch that is taken for one is not what was meant.
    return (rank + 2,) if batch_as_channels(view, op) is True else (rank + 1, rank + 2)


def batch_as_channels(view: View, op: Op) -> Answer:
    """Whether an instance norm takes a whole batch for one sample, and its axis for the channels.

    Torch does so where an axis is missing: it averages over the true channels then, and says no
    more than a warning. It shows where axis 1 holds the channels the norm is for, and axis 0 not.
    Unknown where only a made-up input says how many axes there are.
    """
    if "instancenorm" not in op.tags:
        return False
    rank, channels, shape = op.facts.get("rank"), op.facts.get("channels"), settled_shape(op)
    if not isinstance(rank, int) or channels is None or shape is None:
        return UNKNOWN
    if view.graph.ref.inputs.source == "inferred" and _rank_by_layers(view, op) is UNKNOWN:
        return UNKNOWN
    return len(shape) == rank + 1 and shape[0] != channels and shape[1] == channels


def spatial_size(op: Op) -> Answer:
    """How many positions an input map has: the product of the axes after the channels."""
    shape = in_shape(op)
    return UNKNOWN if shape is None else math.prod(shape[2:])


def out_spatial_size(view: View, op: Op) -> Answer:
    """How many positions the result has: the product of its axes after the channels.

    Without shapes, 1 for a convolution behind a global pool; else unknown.
    """
    shape = out_shape(op)
    if shape is not None:
        return math.prod(shape[2:])
    return 1 if "conv" in op.tags and neighbours.pooled(view, op) is True else UNKNOWN


def values_per_channel(op: Op) -> Answer:
    """How many values of the traced batch a norm averages over, for each channel."""
    shape = in_shape(op)
    if shape is None or len(shape) < 2:
        return UNKNOWN
    return shape[0] * math.prod(shape[2:])


def axis_size(axis: int) -> Callable[[Op], Answer]:
    """A fact: the size of one axis of the input."""

    def size(op: Op) -> Answer:
        shape = in_shape(op)
        return UNKNOWN if shape is None or not -len(shape) <= axis < len(shape) else shape[axis]

    return size


def normalised(view: View, op: Op) -> Answer:
    """Whether a norm lies between the op and the kernel behind it (any branch, at a merge)."""
    source = view.source(op)
    return UNKNOWN if source is None else view.once(_normalised)[source]


def _normalised(view: View) -> list[bool | Unknown]:
    return view.forward(_normalised_after)


def _normalised_after(op: Op, arriving: list[bool | Unknown]) -> bool | Unknown:
    if "norm" in op.tags:
        return True
    if op.tags & {"kernel", "input", "embedding", "matmul", "recurrent", "attention"}:
        return False
    if "opaque" in op.tags or not arriving:
        return UNKNOWN
    if op.tags & MERGES:
        return True if True in arriving else UNKNOWN if UNKNOWN in arriving else False
    return arriving[0] if op.tags & KEEPS_NORM else UNKNOWN


def channels_last(view: View, op: Op) -> Answer:
    """Whether the producer behind keeps channels on the last axis (linear, embedding, recurrent).

    Unknown after a reshape or a transpose.
    """
    source = view.source(op)
    return UNKNOWN if source is None else view.once(_layout)[source]


def _layout(view: View) -> list[bool | Unknown]:
    return view.forward(_layout_after)


def _layout_after(op: Op, arriving: list[bool | Unknown]) -> bool | Unknown:
    if op.tags & {"dense", "embedding", "layernorm", "attention"}:
        return True
    if "recurrent" in op.tags:
        return True if op.facts.get("channels-last") is True else UNKNOWN
    if "conv" in op.tags:
        return False
    if arriving and op.tags & KEEPS_LAYOUT:
        return arriving[0] if len(set(arriving)) == 1 else UNKNOWN
    return UNKNOWN
