"""One pass over the operations, in their order: the layout of every result.

There are two answers. One needs no input, and is the same for every input: it knows the sizes that
layers fix and that the code says. The other also reads the traced shapes, which tell the axes of
views whose sizes are computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.layouts.axis import (
    BATCH,
    CHANNELS,
    NOTHING,
    POSITION,
    SEQUENCE,
    Axis,
    Layout,
    broadcast,
    unnamed,
)
from bnlint.graph.facts.layouts.rearranging import KEEPS_ORDER, by_shapes, name_of, rearranged
from bnlint.graph.view import View
from bnlint.layers.table import having, rank_of

Layouts = Sequence[Layout]

MERGES = having("acts", "merging")
KEEPS_CHANNELS = having("keeps", "channels")
LAST_AXIS_NORMS = having("reads", "last") - having("sets", "channels") - {"dense"}
_ONE_BY_ONE = frozenset({"exp", "log", "sqrt", "rsqrt", "neg", "pow", "clamp", "clip", "erf",
                         "clamp_min", "normalize"})  # fmt: skip
_BATCHED_PRODUCTS = frozenset({"matmul", "bmm"})
_DIGIT = re.compile(r"([123])d")


def followed(view: View, op: Op) -> Layout:
    """The layout of what ``op`` reads first, whatever the input of the model is."""
    return view.arriving(op, _after) or NOTHING


def arriving_at(view: View, op: Op, slot: int = 0) -> Layout:
    """The same with the traced shapes; the sizes may be those of a guessed input."""
    sources = view.behind[view.order(op)]
    if slot >= len(sources):
        return NOTHING
    return _read(view.once(_traced)[sources[slot]], op, slot)


def _read(layout: Layout, op: Op, slot: int) -> Layout:
    """The layout as ``op`` gets it: it may take another element of a tuple."""
    shape = op.inputs[slot] if slot < len(op.inputs) else None
    return layout if shape is None else layout.with_shape(shape)


def _traced(view: View) -> list[Layout]:
    batches = view.once(_batch_inputs)
    known: list[Layout] = []
    for n, op in enumerate(view.ops):
        read = [_read(known[m], op, slot) for slot, m in enumerate(view.behind[n])]
        layout = _with_shape(op, read)
        first = layout.axes[:1]
        if n in batches and first and not first[0].role:
            layout = layout.with_axis(0, Axis(BATCH, first[0].size))
        known.append(layout)
    return known


def _with_shape(op: Op, read: Layouts) -> Layout:
    shape = op.outputs[0] if op.outputs and op.error is None else None
    if shape is None:
        return _after(op, read)
    x = read[0] if read else NOTHING
    if name_of(op) in KEEPS_ORDER and not x.open and all(a.size is not None for a in x.axes):
        return by_shapes(x, shape)
    return _after(op, read).with_shape(shape)


def _after(op: Op, arriving: Layouts) -> Layout:
    """The layout of the result of ``op``, which reads tensors of the layouts ``arriving``."""
    x = arriving[0] if arriving else NOTHING
    for tags, rule in _BY_TAGS:
        if op.tags & tags:
            return rule(op, x)
    if op.tags & MERGES or (op.kind == "arithmetic" and len(arriving) > 1):
        return _merged(op, arriving)
    if name_of(op).strip("_") in _BATCHED_PRODUCTS and len(arriving) > 1:
        return _multiplied(x, arriving[1])
    if op.tags & KEEPS_CHANNELS or name_of(op).strip("_") in _ONE_BY_ONE:
        return x
    return NOTHING


def spatial_axes(op: Op) -> int | None:
    """1, 2 or 3 for a convolution or a pool over that many axes."""
    size = op.facts.get("kernel-size")
    if isinstance(size, tuple):
        return len(size)
    found = _DIGIT.search(name_of(op))
    return rank_of(op.tags) or (int(found[1]) if found else None)


def _convolved(op: Op, x: Layout) -> Layout:
    axes = spatial_axes(op)
    if axes is None:
        return NOTHING
    count = op.facts.get("out-channels")
    known = isinstance(count, int) and op.facts.get("custom") is not True
    before = x.of_length(axes + 2).axes[2:] if not x.open else (Axis(),) * axes
    after = [Axis(POSITION, _slid(axis.size, op, n)) for n, axis in enumerate(before)]
    channels = Axis(CHANNELS, count if known and isinstance(count, int) else None)
    return Layout((Axis(BATCH), channels, *after), open=False)


def _slid(size: int | None, op: Op, axis: int) -> int | None:
    """The size of a map after a convolution that keeps a single position single."""
    plain = all(op.facts.get(name, 0) in (0, (0,) * 1, (0,) * 2, (0,) * 3) for name in ("padding",))
    return 1 if size == 1 and plain and op.facts.get("pointwise") is True else None


def _featured(op: Op, x: Layout) -> Layout:
    """A layer that sets the features on the last axis."""
    count = op.facts.get("out-channels")
    known = isinstance(count, int) and op.facts.get("custom") is not True
    last = Axis(CHANNELS, count if known and isinstance(count, int) else None)
    others = tuple(Axis(POSITION) if a.role == CHANNELS else a for a in x.axes[:-1])
    return Layout((*others, last), x.open)


def _looked_up(op: Op, x: Layout) -> Layout:
    if name_of(op) == "EmbeddingBag":
        return _featured(op, NOTHING)
    return _featured(op, replace(x, axes=(*x.axes, Axis())))


def _recurrent(op: Op, x: Layout) -> Layout:
    """The sequence of states, or the last ones: only the features are on one axis in both."""
    if name_of(op).endswith("Cell") or x.open:
        return Layout((Axis(CHANNELS),))
    order = (BATCH, SEQUENCE) if op.facts.get("batch-first") is True else (SEQUENCE, BATCH)
    named = (Axis(a.role or role, a.size) for a, role in zip(x.axes[:-1], order, strict=False))
    return Layout((*named, Axis(CHANNELS)), open=False)


def _attended(_: Op, x: Layout) -> Layout:
    return Layout((*x.axes[:-1], Axis(CHANNELS, x.axis(-1).size)), x.open)


def _normed(op: Op, x: Layout) -> Layout:
    count = op.facts.get("channels")
    if not isinstance(count, int) or op.facts.get("custom") is True:
        return x
    if op.tags & LAST_AXIS_NORMS:
        return _normed_last(op, x, count)
    place = x.place(1) if not x.open else x.of_role(CHANNELS)
    if place is not None and x.axes[place].size is not None:
        fits = x.axes[place].size == count
        return x if fits else x.with_axis(place, Axis(x.axes[place].role))
    spatial = (rank_of(op.tags) or 0) if "batchnorm" in op.tags else 0
    if spatial < 2:
        return x if place is None or x.open else x.with_axis(place, Axis(CHANNELS, count))
    positions = x.axes[2:] if x.rank == spatial + 2 else (Axis(POSITION),) * spatial
    return Layout((Axis(BATCH), Axis(CHANNELS, count), *positions), open=False)


def _normed_last(op: Op, x: Layout, count: int) -> Layout:
    """A norm over the last axes insists on their sizes; where others arrive it is at fault."""
    shape = op.facts.get("normalized-shape")
    if x.axes and (x.axes[-1].size not in (None, count) or x.axes[-1].role == POSITION):
        return x
    if isinstance(shape, tuple) and len(shape) > 1:
        return x
    role = x.axes[-1].role if x.axes else ""
    return Layout((*x.axes[:-1], Axis(role or CHANNELS, count)), x.open)


def _gated(op: Op, x: Layout) -> Layout:
    """Half of the channels gate the others."""
    return x.forgetting(CHANNELS)


def _pooled(op: Op, x: Layout) -> Layout:
    if name_of(op).strip("_") == "mean":
        return _reduced(op, x)
    if x.open:
        return NOTHING
    axes, size = spatial_axes(op), 1 if "globalpool" in op.tags else None
    first = 2 if axes is None else max(len(x.axes) - axes, 0)
    after = (Axis(POSITION if a.role in ("", CHANNELS) else a.role, size) for a in x.axes[first:])
    return Layout((*x.axes[:first], *after), open=False)


def _resampled(op: Op, x: Layout) -> Layout:
    """A pad or an upsampling: maps of another size."""
    if x.open:
        return NOTHING
    layer = op.layer == op.module or "upsample" in op.tags
    if x.of_role(CHANNELS) != 1 or not layer:
        return unnamed(len(x.axes))
    return Layout((*x.axes[:2], *(Axis(a.role) for a in x.axes[2:])), open=False)


def _reduced(op: Op, x: Layout) -> Layout:
    dims = op.facts.get("dim")
    found = dims if isinstance(dims, tuple) else (dims,)
    places = {x.place(d) if isinstance(d, int) else None for d in found}
    if x.open or None in places or not isinstance(keeps := op.facts.get("keepdim", False), bool):
        return NOTHING
    axes = [
        Axis(a.role, 1) if n in places else a
        for n, a in enumerate(x.axes)
        if keeps or n not in places
    ]
    return Layout(tuple(axes), open=False)


def _split(op: Op, x: Layout) -> Layout:
    """Parts of one axis."""
    if name_of(op) == "unbind":
        return rearranged(op, x)
    dim = op.facts.get("dim")
    place = x.place(dim) if isinstance(dim, int) else None
    if place is None:
        return replace(x, axes=tuple(Axis(a.role) for a in x.axes))
    return x.with_axis(place, Axis(x.axes[place].role))


def _merged(op: Op, arriving: Layouts) -> Layout:
    if "concat" not in op.tags:
        return reduce(broadcast, arriving) if arriving else NOTHING
    dim = op.facts.get("dim")
    places = {x.place(dim) if isinstance(dim, int) else None for x in arriving}
    lengths = {(len(x.axes), x.open) for x in arriving}
    if len(places) != 1 or None in places or len(lengths) != 1:
        return NOTHING
    place = next(n for n in places if n is not None)
    same = reduce(_alike, arriving)
    sizes = [x.axes[place].size for x in arriving]
    hidden = op.facts.get("joined", len(sizes)) != len(sizes)  # coordinates made of a size
    total = None if hidden or None in sizes else sum(size for size in sizes if size is not None)
    return same.with_axis(place, Axis(same.axes[place].role, total))


def _alike(one: Layout, other: Layout) -> Layout:
    """What two layouts of as many axes have in common."""
    pairs = zip(one.axes, other.axes, strict=True)
    axes = (Axis(a.role if a.role == b.role else "", a.size if a.size == b.size else None)
            for a, b in pairs)  # fmt: skip
    return Layout(tuple(axes), one.open)


def _multiplied(x: Layout, y: Layout) -> Layout:
    """A batched product of matrices: rows of the first, columns of the second."""
    if x.open or y.open or len(x.axes) != len(y.axes) or len(x.axes) < 3:
        return NOTHING
    return Layout((*x.axes[:-1], y.axes[-1]), open=False)


_BY_TAGS: tuple[tuple[frozenset[str], Callable[[Op, Layout], Layout]], ...] = (
    (frozenset({"opaque", "input"}), lambda op, x: NOTHING),
    (frozenset({"conv"}), _convolved),
    (frozenset({"embedding"}), _looked_up),
    (frozenset({"dense"}), _featured),
    (frozenset({"recurrent"}), _recurrent),
    (frozenset({"attention"}), _attended),
    (frozenset({"norm"}), _normed),
    (frozenset({"gated"}), _gated),
    (frozenset({"pooling"}), _pooled),
    (frozenset({"reduce"}), _reduced),
    (frozenset({"pad", "upsample"}), _resampled),
    (frozenset({"split"}), _split),
    (frozenset({"reshape"}), rearranged),
)

_BATCH_FIRST = Tags(any_of=("conv", "batchnorm", "pooling"))
"""Layers that take axis 0 for the batch, whatever they read, where they read all their axes."""
_MOVES_BATCH = Tags(none_of=("reshape", "input", "opaque", "matmul", "other", "concat", "stack",
                             "reduce", "split", "attention"))  # fmt: skip
"""What keeps axis 0 where it is; a recurrent layer does, too."""


def _batch_inputs(view: View) -> frozenset[int]:
    """The inputs of the model, by position, whose axis 0 a layer behind them takes for the batch.

    They are searched backwards from such layers, through what leaves axis 0 where it is.
    """
    keeps, inputs = view.marks(_MOVES_BATCH), view.marks(Tags(any_of=("input",)))
    todo = [n for n, op in enumerate(view.ops) if _takes_batch_first(op)]
    found: set[int] = set()
    seen = set(todo)
    while todo:
        for m in view.behind[todo.pop()]:
            if inputs[m]:
                found.add(m)
            elif keeps[m] and m not in seen:
                seen.add(m)
                view.visited()
                todo.append(m)
    return frozenset(found)


def _takes_batch_first(op: Op) -> bool:
    if "recurrent" in op.tags or "attention" in op.tags:
        return op.facts.get("batch-first") is True
    if op.kind == "flatten" or name_of(op) in ("view", "reshape"):
        return op.facts.get("start-dim") == 1 or op.facts.get("sizes") == ("axis 0", -1)
    shape, axes = op.inputs[0] if op.inputs else None, spatial_axes(op)
    if not op.tags & frozenset(_BATCH_FIRST.any_of) or "globalpool" in op.tags:
        return False
    return shape is None or axes is None or len(shape) == axes + 2 or axes == 1
