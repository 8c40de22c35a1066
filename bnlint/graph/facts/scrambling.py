"""Facts about views that put an axis in another place without moving a value."""

from __future__ import annotations

import math

from bnlint.domain.graph import Op, Shape
from bnlint.graph.facts.carried import in_shape, out_shape
from bnlint.graph.facts.fact import UNKNOWN, Answer, op_fact
from bnlint.graph.facts.layouts.axis import BATCH, CHANNELS, SEQUENCE
from bnlint.graph.facts.layouts.layout_pass import arriving_at
from bnlint.graph.facts.layouts.rearranging import KEEPS_ORDER, name_of
from bnlint.graph.view import View


@op_fact("scrambles", shapes=True)
def scrambles(view: View, op: Op) -> Answer:
    """Whether a view puts the channels, or the batch, on another axis than holds them.

    The elements stay in their order in memory, so those of different positions become one vector.
    """
    meant = order_meant(view, op)
    return meant if meant is UNKNOWN else meant is not None


@op_fact("order-meant", shapes=True)
def order_meant(view: View, op: Op) -> Answer:
    """The order of the axes that a view which scrambles them has to read; null for others."""
    if name_of(op) not in KEEPS_ORDER:
        return None
    shape, result = in_shape(op), out_shape(op)
    if shape is None or result is None:
        return UNKNOWN if shape is None and "sizes" in op.facts else None
    x = arriving_at(view, op)
    place = x.of_role(CHANNELS)
    if place is not None and len(shape) > 2 and (order := _order(shape, place, result)):
        return None if _merges_heads(view, op, shape, result) else order
    ordered = x.axis(0).role in (BATCH, SEQUENCE)
    if len(shape) == len(result) > 2 and ordered and _swaps_first(shape, result):
        return (1, 0, *range(2, len(shape)))
    return None


def _order(old: Shape, place: int, new: Shape) -> tuple[int, ...] | None:
    """The order in which channels on axis 1 or the last one are meant; no luck of sizes."""
    channels, last = old[place], len(old) - 1
    others = [size for n, size in enumerate(old) if n not in (0, place)]
    ambiguous = {*others, math.prod(others), 1}
    if place not in (1, last) or channels in ambiguous or math.prod(others) == 1:
        return None
    if _only_splits(old, new):
        return None
    if place == 1:
        if len(others) > 1 and _merges_channels(old, new):
            first = old.index(new[1], 2)
            return (0, first, 1, *(n for n in range(2, len(old)) if n != first))
        moves = new[-1] == channels and new[:2] != old[:2]
        return (0, *range(2, len(old)), 1) if moves else None
    merged = {math.prod(old[n:]) for n in range(1, len(old))}  # the heads, for example
    moves = len(new) > 2 and new[:2] == (old[0], channels) and new[-1] not in merged
    return (0, last, *range(1, last)) if moves else None


def _only_splits(old: Shape, new: Shape) -> bool:
    """True if each axis stays or is split into several: what was next to what still is.

    (N, H * W, P * C) becomes (N, H, W, P, C).
    """
    return {math.prod(old[n:]) for n in range(len(old))} <= {
        math.prod(new[n:]) for n in range(len(new))
    }


def _merges_heads(view: View, op: Op, old: Shape, new: Shape) -> bool:
    """True if the view may as well be (T, N, H * D) as (T, N * H, D), which is swapped next.

    That has the sizes of (T, H * D, N) if the samples are as many as the features of a head.
    """
    split = old[-1] % new[-1] == 0 and old[-2] * (old[-1] // new[-1]) == new[-2]
    swapped = [reader.facts.get("swapped") for reader in view.successors(op)]
    return split and bool(swapped) and all(pair in ((0, 1), (1, 0)) for pair in swapped)


def _merges_channels(old: Shape, new: Shape) -> bool:
    """True if a position of the map comes first, and the channels join the others behind it.

    (N, C, H, W) becomes (N, W, C * H). An axis as long as one that may be first proves nothing.
    """
    first = new[1] if len(new) == 3 and new[0] == old[0] else 0
    sure = first in old[2:] and first not in (1, old[1], *_products(old))
    return sure and new[2] * first == math.prod(old[1:])


def _products(sizes: Shape) -> list[int]:
    """What the channels merged with one or more axes after them are, and those axes merged."""
    merged = [math.prod(sizes[1:end]) for end in range(3, len(sizes) + 1)]
    return [*merged, *(math.prod(sizes[n:]) for n in range(2, len(sizes) - 1))]


def _swaps_first(old: Shape, new: Shape) -> bool:
    swapped = new == (old[1], old[0], *old[2:])
    return swapped and old[0] != old[1] and 1 not in old[:2]
