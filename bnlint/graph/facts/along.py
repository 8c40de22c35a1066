"""Facts about the axis that an operation works along: softmax, normalize, norms."""

from __future__ import annotations

import math

from bnlint.domain.graph import Op
from bnlint.graph.facts.carried import in_rank, in_shape, out_shape, settled_shape
from bnlint.graph.facts.fact import UNKNOWN, Answer, Unknown, op_fact
from bnlint.graph.facts.layouts.axis import BATCH, CHANNELS, Axis, Layout, product
from bnlint.graph.facts.layouts.layout_pass import arriving_at, followed
from bnlint.graph.facts.layouts.rearranging import name_of
from bnlint.graph.view import View
from bnlint.layers.table import having

LAST_AXIS = having("reads", "last")
_IMPLICIT_ZERO = (0, 1, 3)
"""Numbers of axes for which torch takes axis 0 where a softmax is given none."""


@op_fact("axis", shapes=True)
def axis(view: View, op: Op) -> Answer:
    """The axis that a softmax or normalize works along, from 0; unknown without a sure rank."""
    rank, dim = _sure_rank(view, op), _dim(view, op)
    if isinstance(rank, Unknown) or not isinstance(dim, int):
        return dim if isinstance(dim, int) and dim >= 0 else UNKNOWN
    return dim % rank if -rank <= dim < rank else UNKNOWN


@op_fact("axis-from-end", shapes=True)
def axis_from_end(view: View, op: Op) -> Answer:
    """The same axis counted from the end, as -1: known of any rank where it is written so."""
    rank, dim = _sure_rank(view, op), _dim(view, op)
    if isinstance(dim, Unknown) or dim < 0:
        return dim
    return UNKNOWN if isinstance(rank, Unknown) else dim - rank


def _dim(view: View, op: Op) -> int | Unknown:
    """The axis as written, or the one that torch takes where none is."""
    dim = op.facts.get("dim")
    if isinstance(dim, int):
        return dim
    if name_of(op) == "Softmax2d":
        return -3
    if dim is not None or "softmax" not in op.tags or name_of(op) == "gumbel_softmax":
        return -1 if name_of(op) == "gumbel_softmax" else UNKNOWN
    rank = _sure_rank(view, op)
    return UNKNOWN if isinstance(rank, Unknown) else 0 if rank in _IMPLICIT_ZERO else 1


def _sure_rank(view: View, op: Op) -> int | Unknown:
    """The number of axes that arrive, where it is no matter of an input that was guessed."""
    found = followed(view, op).rank
    if found is not None:
        return found
    shape = None if view.graph.ref.inputs.source == "inferred" else in_shape(op)
    return UNKNOWN if shape is None else len(shape)


@op_fact("axis-role")
def axis_role(view: View, op: Op) -> Answer:
    """What that axis counts: batch, channels, sequence, position of a map, or unknown."""
    dim = _dim(view, op)
    if isinstance(dim, Unknown):
        return "unknown"
    found = (layout.axis(dim).role for layout in (followed(view, op), arriving_at(view, op)))
    return next((role for role in found if role), "unknown")


@op_fact("axis-size", shapes=True)
def axis_size(view: View, op: Op) -> Answer:
    """The size of that axis, where it is no matter of an input that was guessed; else 0."""
    dim, layout = _dim(view, op), followed(view, op)
    if isinstance(dim, Unknown):
        return 0
    size = layout.axis(dim).size
    if size is None and view.graph.ref.inputs.source != "inferred":
        size = arriving_at(view, op).axis(dim).size
    return size or 0


@op_fact("channels-axis")
def channels_axis(view: View, op: Op) -> Answer:
    """The axis of the channels that arrive, from 0."""
    for layout in (followed(view, op), arriving_at(view, op)):
        place = layout.of_role(CHANNELS)
        if place is not None and not layout.open:
            return place
    return UNKNOWN


@op_fact("channels-carried", shapes=True)
def channels_carried(view: View, op: Op) -> Answer:
    """How many channels arrive, on whatever axis they are."""
    for layout in (followed(view, op), arriving_at(view, op)):
        place = layout.of_role(CHANNELS)
        if place is not None and (size := layout.axes[place].size) is not None:
            return size
    return UNKNOWN


@op_fact("fits", shapes=True)
def fits(view: View, op: Op) -> Answer:
    """Norms over the last axes and group norms: whether the sizes that arrive are those wanted."""
    if op.facts.get("custom") is True or op.facts.get("alone") is True:
        return True
    if op.error is None and out_shape(op) is not None:
        return True
    if channels_elsewhere(view, op) is True:
        return False  # whatever the size of the map
    shape, layout = settled_shape(op), followed(view, op)
    if shape is not None:
        layout = layout.with_shape(shape)
    if "groupnorm" in op.tags:
        return _divides(op, layout)
    wanted = op.facts.get("normalized-shape")
    return _ends_with(layout, wanted) if isinstance(wanted, tuple) else UNKNOWN


def _divides(op: Op, layout: Layout) -> bool | Unknown:
    groups, channels = op.facts.get("groups"), layout.axis(1).size
    if not isinstance(groups, int) or groups < 1 or channels is None:
        return UNKNOWN
    return channels % groups == 0


def _ends_with(layout: Layout, wanted: tuple[object, ...]) -> bool | Unknown:
    sizes = [layout.axis(n - len(wanted)).size for n in range(len(wanted))]
    if any(size not in (None, want) for size, want in zip(sizes, wanted, strict=True)):
        return False
    if not layout.open and len(layout.axes) < len(wanted):
        return False
    return UNKNOWN if None in sizes else True


@op_fact("channels-elsewhere", shapes=True)
def channels_elsewhere(view: View, op: Op) -> bool:
    """Norms over the last axis: whether the channels they are made for are on another axis."""
    wanted = op.facts.get("normalized-shape")
    if op.facts.get("custom") is True or not isinstance(wanted, tuple) or len(wanted) != 1:
        return False
    place = channels_axis(view, op)
    rank = in_rank(view, op)
    return (place, channels_carried(view, op)) == (1, wanted[0]) and rank not in (2, UNKNOWN)


@op_fact("values-per-group", shapes=True)
def values_per_group(view: View, op: Op) -> Answer:
    """Norms of single samples: values that a mean is over; unknown where a guess makes it one."""
    if op.tags & LAST_AXIS:
        wanted = op.facts.get("normalized-shape")
        return math.prod(wanted) if isinstance(wanted, tuple) else UNKNOWN  # type: ignore[arg-type]
    found = _of_groups(op, followed(view, op))
    if found is not None or (shape := settled_shape(op)) is None:
        return UNKNOWN if found is None else found
    found = _of_groups(op, Layout(tuple(Axis("", size) for size in shape), open=False))
    guessed = view.graph.ref.inputs.source == "inferred"
    return UNKNOWN if found is None or (found == 1 and guessed) else found


def _of_groups(op: Op, layout: Layout) -> int | None:
    if layout.open or len(layout.axes) < 2:
        return None
    rank, positions = op.facts.get("rank"), product(layout.axes[2:])
    if "instancenorm" in op.tags:
        single = isinstance(rank, int) and len(layout.axes) == rank + 1
        return product(layout.axes[1:]) if single else positions
    channels, groups = layout.axes[1].size, op.facts.get("groups")
    if channels is None or positions is None or not isinstance(groups, int) or groups < 1:
        return None
    return channels // groups * positions


@op_fact("reads-batch-first", shapes=True)
def reads_batch_first(view: View, op: Op) -> Answer:
    """Whether axis 0 of what arrives is surely the batch."""
    shape = in_shape(op)
    if shape is not None and len(shape) < 3:
        return False
    return arriving_at(view, op).axis(0).role == BATCH


@op_fact("ends-model")
def ends_model(view: View, op: Op) -> Answer:
    """Whether nothing but outputs of the model reads it, looking through passthrough ops."""
    ahead = view.beyond(op)
    return bool(ahead) and all("output" in o.tags for o in ahead)
