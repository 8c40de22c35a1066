"""Facts carried along the data flow: channels, rank, whether a value was normalised.

Each is one pass over the ops in the order of execution, whatever the branches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from bnlint.domain.graph import Op, Shape
from bnlint.graph.facts.answer import UNKNOWN, Answer, Unknown
from bnlint.graph.view import View

KEEPS_CHANNELS = frozenset(
    ("passthrough", "activation", "pooling", "dropout", "upsample", "scale", "norm", "detach",
     "softmax", "output")
)  # fmt: skip
FIXES_CHANNELS = frozenset(("kernel", "embedding", "batchnorm", "instancenorm", "groupnorm"))
KEEPS_RANK = KEEPS_CHANNELS | {"pad"}
KEEPS_NORM = KEEPS_RANK | {"reshape", "split", "pixelshuffle", "reduce"}
MERGES = frozenset(("add", "concat", "product"))
SPATIAL = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
NORM_RANKS: Mapping[str, tuple[int, ...]] = {
    "batchnorm1d": (2, 3), "batchnorm2d": (4,), "batchnorm3d": (5,),
    "instancenorm1d": (2, 3), "instancenorm2d": (3, 4), "instancenorm3d": (4, 5),
}  # fmt: skip


def in_shape(op: Op) -> Shape | None:
    """The shape of the op's first tensor argument, if it was traced."""
    return op.inputs[0] if op.inputs else None


def out_shape(op: Op) -> Shape | None:
    """The shape of the op's first result, if it was traced."""
    return op.outputs[0] if op.outputs else None


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


def channels_arriving(view: View, op: Op) -> Answer:
    """The size of the axis that the op takes for channels (features, for a dense kernel)."""
    shape = in_shape(op)
    if shape is not None:
        return channels_of_shape(op, shape)
    sources = view.predecessors(op)
    return view.once(_channels)[sources[0].id] if sources else UNKNOWN


def channels_of_shape(op: Op, shape: Shape) -> int | Unknown:
    """The channel axis of an input ``shape`` as ``op`` reads it."""
    if not shape:
        return UNKNOWN
    if "dense" in op.tags or not op.tags.isdisjoint(("layernorm", "rmsnorm")):
        return shape[-1]
    axis = 1
    if "conv" in op.tags:
        dims = spatial_dims(op)
        if isinstance(dims, Unknown):
            return UNKNOWN
        axis = len(shape) - dims - 1
    return shape[axis] if 0 <= axis < len(shape) else UNKNOWN


def _channels(view: View) -> dict[str, int | Unknown]:
    """Channels of each op's result, followed from the kernels and norms that fix them."""
    known: dict[str, int | Unknown] = {}
    for op in view.ops:
        known[op.id] = _channels_after(op, [known[s.id] for s in view.predecessors(op)], view)
    return known


def _channels_after(op: Op, arriving: list[int | Unknown], view: View) -> int | Unknown:
    fixed = op.facts.get("channels" if "norm" in op.tags else "out-channels")
    if op.tags & FIXES_CHANNELS and isinstance(fixed, int):
        return fixed
    if "concat" in op.tags:
        return _sum(arriving) if op.facts.get("dim") == 1 else UNKNOWN
    if op.tags & {"add", "product"}:
        same = set(arriving)
        return same.pop() if len(same) == 1 else UNKNOWN
    if "reshape" in op.tags and arriving and _after_globalpool(view, op):
        return arriving[0]
    if op.tags & KEEPS_CHANNELS and arriving:
        return arriving[0]
    return UNKNOWN


def _after_globalpool(view: View, op: Op) -> bool:
    """A flatten right after a global pool leaves (N, C): its channels stay."""
    sources = view.predecessors(op)
    return op.kind == "flatten" and bool(sources) and "globalpool" in sources[0].tags


def _sum(parts: list[int | Unknown]) -> int | Unknown:
    numbers = [p for p in parts if not isinstance(p, Unknown)]
    return sum(numbers) if numbers and len(numbers) == len(parts) else UNKNOWN


def in_rank(view: View, op: Op) -> Answer:
    """How many axes the input has: by shapes, else as the convolution or flatten behind left it."""
    shape = in_shape(op)
    if shape is not None:
        return len(shape)
    sources = view.predecessors(op)
    return view.once(_ranks)[sources[0].id] if sources else UNKNOWN


def _ranks(view: View) -> dict[str, int | Unknown]:
    known: dict[str, int | Unknown] = {}
    for op in view.ops:
        known[op.id] = _rank_after(op, [known[s.id] for s in view.predecessors(op)])
    return known


def _rank_after(op: Op, arriving: list[int | Unknown]) -> int | Unknown:
    if "conv" in op.tags:
        dims = spatial_dims(op)
        return UNKNOWN if isinstance(dims, Unknown) else dims + 2
    if op.kind == "flatten" and op.facts.get("start-dim") == 1:
        return 2
    if op.kind == "globalpool":
        return UNKNOWN  # a mean: it may drop the axes
    if arriving and (op.tags & (KEEPS_RANK | MERGES) or "dense" in op.tags):
        return arriving[0] if len(set(arriving)) == 1 else UNKNOWN
    return UNKNOWN


def ranks_allowed(op: Op) -> Answer:
    """The numbers of axes that a norm accepts; unknown for norms that accept any."""
    for tag, ranks in NORM_RANKS.items():
        if tag in op.tags or f"lazy{tag}" in op.tags:
            return ranks
    rank = op.facts.get("rank")
    if "batchnorm" in op.tags and isinstance(rank, int) and "syncbatchnorm" not in op.tags:
        return (2, 3) if rank == 1 else (rank + 2,)
    return UNKNOWN


def spatial_size(op: Op) -> Answer:
    """How many positions an input map has: the product of the axes after the channels."""
    shape = in_shape(op)
    return UNKNOWN if shape is None else math.prod(shape[2:])


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
    sources = view.predecessors(op)
    return view.once(_normalised)[sources[0].id] if sources else UNKNOWN


def _normalised(view: View) -> dict[str, bool | Unknown]:
    known: dict[str, bool | Unknown] = {}
    for op in view.ops:
        known[op.id] = _normalised_after(op, [known[s.id] for s in view.predecessors(op)])
    return known


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
    sources = view.predecessors(op)
    return view.once(_layout)[sources[0].id] if sources else UNKNOWN


def _layout(view: View) -> dict[str, bool | Unknown]:
    known: dict[str, bool | Unknown] = {}
    for op in view.ops:
        arriving = [known[s.id] for s in view.predecessors(op)]
        if op.tags & {"dense", "embedding", "layernorm", "attention"}:
            known[op.id] = True
        elif "recurrent" in op.tags:
            known[op.id] = True if op.facts.get("channels-last") is True else UNKNOWN
        elif "conv" in op.tags:
            known[op.id] = False
        elif arriving and op.tags & (KEEPS_RANK | MERGES):
            known[op.id] = arriving[0] if len(set(arriving)) == 1 else UNKNOWN
        else:
            known[op.id] = UNKNOWN
    return known
