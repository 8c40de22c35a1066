"""How axes are moved, merged, split, cut and added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from bnlint.domain.graph import Op, Shape, Value
from bnlint.graph.facts.layouts.axis import (
    BATCH,
    CHANNELS,
    NOTHING,
    Axis,
    Layout,
    merged,
    unnamed,
)

KEEPS_ORDER = frozenset(
    (
        *("view", "view_as", "_unsafe_view", "reshape", "reshape_as", "squeeze", "unsqueeze"),
        *("flatten", "Flatten", "ravel", "unflatten", "Unflatten"),
    )
)
"""Functions and layers that leave the elements in their order in memory."""
PICKS = ("pick", "pick last")
"""Words of an index that takes one element, so that its axis is gone."""


def name_of(op: Op) -> str:
    """The plain name of the function or class."""
    return str(op.facts.get("class", op.kind))


def rearranged(op: Op, x: Layout) -> Layout:
    """The layout after a reshape of any kind, as far as the call says it."""
    if isinstance(order := op.facts.get("permutation"), tuple):
        return _permuted(x, order)
    if isinstance(pair := op.facts.get("swapped"), tuple):
        return _swapped(x, pair)
    if op.kind == "flatten":
        return _flattened(x, op.facts.get("start-dim", 1), op.facts.get("end-dim", -1))
    if isinstance(sizes := op.facts.get("sizes"), tuple):
        return _resized(x, sizes)
    if isinstance(index := op.facts.get("indices"), tuple):
        return _indexed(x, index)
    other = _BY_DIM.get(name_of(op).rstrip("_"))
    return other(x, op.facts.get("dim")) if other else NOTHING


def _permuted(x: Layout, order: tuple[Value, ...]) -> Layout:
    known, dims = x.of_length(len(order)), [d for d in order if isinstance(d, int)]
    if sorted(d % len(order) for d in dims) != list(range(len(order))):
        return unnamed(len(order))
    return Layout(tuple(known.axes[d] for d in dims), open=False)


def _swapped(x: Layout, pair: tuple[Value, ...]) -> Layout:
    places = [x.place(d) if isinstance(d, int) else None for d in pair]
    if None in places or len(places) != 2:
        missing = -min((d for d in pair if isinstance(d, int)), default=0) - len(x.axes)
        if not x.open or any(not isinstance(d, int) or d >= 0 for d in pair):
            return NOTHING if x.open else unnamed(len(x.axes))
        return _swapped(Layout((*(Axis(),) * missing, *x.axes)), pair)
    axes, (a, b) = list(x.axes), (places[0] or 0, places[1] or 0)
    axes[a], axes[b] = axes[b], axes[a]
    return Layout(tuple(axes), x.open)


def _flattened(x: Layout, start: Value, end: Value) -> Layout:
    if not isinstance(start, int) or not isinstance(end, int):
        return NOTHING
    first, last = x.place(start), x.place(end)
    if first is not None and last is not None and not x.open:
        one = merged(x.axes[first : last + 1])
        return Layout((*x.axes[:first], one, *x.axes[last + 1 :]), open=False)
    if start == 1 and end == -1:
        return Layout((Axis(BATCH), Axis(CHANNELS)), open=False)
    return unnamed(start + 1) if start >= 0 and end == -1 else NOTHING


def _resized(x: Layout, sizes: tuple[Value, ...]) -> Layout:
    """The layout after a view: the axes in front and behind that it leaves as they are."""
    if x.open:
        flat = len(sizes) == 2 and sizes[0] == "axis 0"
        rest = [Axis(CHANNELS if flat and n else BATCH if flat else "", _literal(s))
                for n, s in enumerate(sizes)]  # fmt: skip
        return Layout(tuple(rest), open=False)
    before = _kept(x.axes, sizes, 1)
    after = min(_kept(x.axes, sizes, -1), len(sizes) - before, len(x.axes) - before)
    middle = x.axes[before : len(x.axes) - after]
    wanted = sizes[before : len(sizes) - after]
    between = tuple(Axis("", _literal(s)) for s in wanted)
    if len(wanted) == 1 and middle:
        one = merged(middle)
        between = (Axis(one.role, _literal(wanted[0]) or one.size),)
    behind = x.axes[len(x.axes) - after :] if after else ()
    return Layout((*x.axes[:before], *between, *behind), open=False)


def _kept(axes: Sequence[Axis], sizes: Sequence[Value], step: int) -> int:
    """How many sizes, from one end on, are those of the axes in the same place."""
    count = 0
    for axis, size in zip(axes[::step], sizes[::step], strict=False):
        place = count if step > 0 else len(axes) - 1 - count
        names = (f"axis {place}", f"axis {place - len(axes)}")
        if size not in names and (axis.size is None or size != axis.size):
            break
        count += 1
    return count


def _literal(size: Value) -> int | None:
    return size if isinstance(size, int) and size >= 0 else None


def _indexed(x: Layout, index: tuple[Value, ...]) -> Layout:
    if x.open or "unknown" in index:
        return NOTHING
    taken = sum(word in ("keep", "cut", *PICKS) for word in index)
    rest = len(x.axes) - taken
    if rest < 0:
        return NOTHING
    words = [w for word in (*index, *(() if "..." in index else ("...",)))
             for w in (("keep",) * rest if word == "..." else (word,))]  # fmt: skip
    return Layout(tuple(_after_index(iter(x.axes), words)), open=False)


def _after_index(axes: Iterator[Axis], words: Sequence[Value]) -> Iterator[Axis]:
    for word in words:
        if word == "add":
            yield Axis("", 1)
            continue
        axis = next(axes)
        if word not in PICKS:
            yield axis if word == "keep" else Axis(axis.role)


def _squeezed(x: Layout, dim: Value) -> Layout:
    if dim is None and not x.open and all(a.size is not None for a in x.axes):
        return Layout(tuple(a for a in x.axes if a.size != 1), open=False)
    place = x.place(dim) if isinstance(dim, int) else None
    if place is None or x.open or x.axes[place].size is None:
        return NOTHING
    return _dropped(x, dim) if x.axes[place].size == 1 else x


def _unsqueezed(x: Layout, dim: Value) -> Layout:
    if not isinstance(dim, int) or (x.open and dim != -1):
        return NOTHING
    place = dim if dim >= 0 else len(x.axes) + dim + 1
    return Layout((*x.axes[:place], Axis("", 1), *x.axes[place:]), x.open)


def _dropped(x: Layout, dim: Value) -> Layout:
    place = x.place(dim) if isinstance(dim, int) else None
    if place is None or x.open:
        return NOTHING
    return Layout((*x.axes[:place], *x.axes[place + 1 :]), open=False)


_BY_DIM: Mapping[str, Callable[[Layout, Value], Layout]] = {
    "squeeze": _squeezed,
    "unsqueeze": _unsqueezed,
    "select": _dropped,
    "unbind": _dropped,
}


def by_shapes(x: Layout, shape: Shape) -> Layout:
    """The layout after a reshape that keeps the order of the elements, from ``x`` to ``shape``.

    Axes are matched in the smallest groups of the same size; what is merged or split with others
    is no longer the axis that it was.
    """
    found: list[Axis] = []
    for old, new in _groups([axis.size or 0 for axis in x.axes], list(shape)):
        axes = tuple(x.axes[n] for n in old)
        one = merged(axes)
        real = [n for n in new if shape[n] != 1]
        for n in new:
            keeps = len(real) == 1 and shape[n] != 1
            found.append(Axis(one.role if keeps or not real else "", shape[n]))
    return Layout(tuple(found), open=False) if len(found) == len(shape) else unnamed(len(shape))


def _groups(old: list[int], new: list[int]) -> Iterator[tuple[range, range]]:
    i = j = 0
    while i < len(old) or j < len(new):
        start, before = (i, j), (1, 1)
        i, j = min(i + 1, len(old)), min(j + 1, len(new))
        left = before[0] * (old[start[0]] if start[0] < len(old) else 1)
        right = before[1] * (new[start[1]] if start[1] < len(new) else 1)
        while left != right and (i < len(old) or j < len(new)):
            if (left < right and i < len(old)) or j == len(new):
                left, i = left * old[i], i + 1
            else:
                right, j = right * new[j], j + 1
        yield range(start[0], i), range(start[1], j)
