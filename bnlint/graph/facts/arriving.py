"""How many channels arrive at an operation, and whether it is the one at fault if they don't fit.

By traced shapes where there are any; else followed from the kernels and norms that fix them, which
needs no input. One pass over the ops in the order of execution, whatever the branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bnlint.domain.graph import Op, Shape
from bnlint.graph.facts.carried import in_shape, out_shape, settled_shape, spatial_dims
from bnlint.graph.facts.fact import UNKNOWN, Answer, Unknown, op_fact
from bnlint.graph.view import KERNEL, View
from bnlint.layers.table import having, rank_of

KEEPS = having("keeps", "channels")
KEEPS_FIRST = having("keeps", "maps")
"""These work on the axes after the channels, so they keep channels that come before those."""
LAST_AXIS = having("reads", "last")
SETS = having("sets", "channels")
ELEMENTWISE_MERGES = having("acts", "merging") - {"concat"}


@dataclass(frozen=True, slots=True)
class Carried:
    """The channels of a result: how many, and the axis they stand on.

    ``axis`` is first (after the batch), last, only (there is no other), or empty for unknown.
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
    source = view.source(op)
    carried = NOTHING if source is None else view.once(_carried)[source]
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


def _carried(view: View) -> list[Carried]:
    """The channels of each position's result."""
    return view.forward(_after)


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
    return any(blamed[n] for n in view.behind(view.order(op)))


def _misled(view: View) -> list[bool]:
    """Whether each position's result depends on a failure; a kernel sets its channels itself."""
    kernels = view.marks(KERNEL)
    found = [False] * len(kernels)
    for n, op in enumerate(view.ops):
        if not kernels[n]:
            found[n] = op.error is not None or any(found[m] for m in view.behind(n))
    return found


@op_fact("ran")
def ran(_: View, op: Op) -> Answer:
    """Whether it ran on the traced shapes; unknown without any."""
    if op.error is not None:
        return False
    return True if out_shape(op) is not None and in_shape(op) is not None else UNKNOWN
