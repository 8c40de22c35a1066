"""Facts that compare a kernel with its siblings: does a norm follow them, and not this one?

The siblings (``sisters`` in the names of facts) of a kernel are those in the same place of other
blocks of the same class; where it is in no such block, and feeds an activation, the other kernels
of its family that feed one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.domain.graph import Op
from bnlint.graph.facts.fact import UNKNOWN, Answer, Unknown, op_fact
from bnlint.graph.facts.surroundings import feeds_activation
from bnlint.graph.view import KERNEL, View, layer_key, through, upwards

TO_OWN_NORM = through("own-norm")
"""What counts in a sibling: a norm behind a merge belongs to the next block, if there is one."""
ENOUGH = 2
"""Siblings in blocks that outweigh a look at the whole model."""
MOSTLY = 0.5


def _has_own_norm(view: View, op: Op) -> bool:
    return any("norm" in o.tags for o in view.beyond(op, TO_OWN_NORM))


@dataclass(frozen=True, slots=True)
class _Count:
    """How many kernels of a group there are, and after how many a norm follows."""

    all: int = 0
    normed: int = 0

    def less(self, normed: bool) -> _Count:
        return _Count(self.all - 1, self.normed - normed)

    @property
    def share(self) -> float:
        return self.normed / self.all


Group = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place in a block: the block's class, the path inside it, the classes on that path.

    ``alone`` is true where the kernel is the only one of the block: a wrapper such as conv, norm
    and activation. Its class is used all over a model, so it accuses no kernel; it excuses those
    that have no siblings in larger blocks.
    """

    block: str
    group: Group
    alone: bool


def _slots(view: View, op: Op) -> Iterator[_Slot]:
    """The slots that the op fills, from the innermost block outwards.

    Digits of a path stay: ``conv.0`` and ``conv.3`` of a block are two slots.
    """
    held = view.once(_kernels_held)
    inside: tuple[str, ...] = ()
    for path in reversed(upwards(op.module)[:-1]):
        info = view.module(path)
        if info is not None and info.types and not info.types[0].startswith("torch.nn."):
            inside = (info.types[0], *inside)
            yield _Slot(path, (op.module[len(path) + 1 :], *inside), held[path] < 2)


def _kernels(view: View) -> dict[str, Op]:
    """One call of each kernel, however often it is called, by its layer."""
    return {layer_key(op): op for op in view.fitting(KERNEL)}


def _kernels_held(view: View) -> Counter[str]:
    return Counter(path for op in view.once(_kernels).values() for path in upwards(op.module)[:-1])


def _family(op: Op) -> str:
    return "conv" if "conv" in op.tags else "dense"


def _counts(view: View) -> dict[Group, _Count]:
    """Counts by slot, and by family for the kernels that feed an activation."""
    normed: dict[Group, list[bool]] = defaultdict(list)
    for op in view.once(_kernels).values():
        groups = [slot.group for slot in _slots(view, op)]
        if feeds_activation(view, op):
            groups.append((_family(op),))
        for group in groups:
            normed[group].append(_has_own_norm(view, op))
    return {group: _Count(len(each), sum(each)) for group, each in normed.items()}


@dataclass(frozen=True, slots=True)
class _Siblings:
    """The siblings of one kernel: how many, how many normed, and the lowest share of any group."""

    place: str | Unknown = UNKNOWN
    count: _Count = _Count()
    lowest: float = 0


def _siblings(view: View, op: Op) -> _Siblings:
    if "kernel" not in op.tags:
        return _Siblings()
    op = view.once(_kernels)[layer_key(op)]
    counts = view.once(_counts)
    normed = _has_own_norm(view, op)
    found = [(slot.alone, counts[slot.group].less(normed)) for slot in _slots(view, op)]
    levels = [(alone, count) for alone, count in found if count.all]
    blocks = [count for alone, count in levels if not alone]
    enough = [count for count in blocks if count.all >= ENOUGH]
    if enough:
        return _Siblings("block", enough[0], min(count.share for count in blocks))
    if not feeds_activation(view, op):
        return _Siblings()
    count = counts[_family(op),].less(normed)
    shares = [c.share for c in (count, *(c for _, c in levels)) if c.all]
    return _Siblings("model", count, min(shares, default=0.0))


@op_fact("sisters")
def siblings(view: View, op: Op) -> Answer:
    """Kernels in the same place of other blocks, else in the model, to compare with: how
    many.
    """
    return _siblings(view, op).count.all


@op_fact("sisters-with-norm")
def siblings_with_norm(view: View, op: Op) -> Answer:
    """How many of those a norm follows."""
    return _siblings(view, op).count.normed


@op_fact("sisters-normed")
def siblings_normed(view: View, op: Op) -> Answer:
    """The share of those; unknown without any.

    Where the kernel is in several nested blocks, the lowest share of any of them.
    """
    found = _siblings(view, op)
    return round(found.lowest, 4) if found.count.all else UNKNOWN


@op_fact("sisters-in")
def siblings_in(view: View, op: Op) -> Answer:
    """Where the sisters are: block or model."""
    return _siblings(view, op).place


@op_fact("bare-block")
def bare_block(view: View, op: Op) -> Answer:
    """Whether its block has no norm in two places or more where its sisters have one."""
    bare = view.once(_bare_blocks)
    return "kernel" in op.tags and any(slot.block in bare for slot in _slots(view, op))


def _bare_blocks(view: View) -> frozenset[str]:
    counts = view.once(_counts)
    places: dict[str, list[bool]] = defaultdict(list)
    for op in view.once(_kernels).values():
        normed = _has_own_norm(view, op)
        for slot in _slots(view, op):
            others = counts[slot.group].less(normed)
            if not slot.alone and others.all and others.share >= MOSTLY:
                places[slot.block].append(normed)
    return frozenset(b for b, found in places.items() if len(found) > 1 and not any(found))


@op_fact("biased-unlike-normed")
def biased_unlike_normed(view: View, op: Op) -> Answer:
    """Whether it has the bias that nearly all kernels with a norm behind them leave out."""
    bias = op.facts.get("bias") if "kernel" in op.tags else None
    if not isinstance(bias, bool):
        return UNKNOWN
    share = view.once(_biased_and_normed).get(_family(op))
    return bias and share is not None and share <= 0.1


def _biased_and_normed(view: View) -> dict[str, float]:
    """The share of the normed kernels that have a bias, by family."""
    count: dict[str, list[bool]] = defaultdict(list)
    for op in view.once(_kernels).values():
        if _has_own_norm(view, op):
            count[_family(op)].append(op.facts.get("bias") is True)
    return {family: sum(biased) / len(biased) for family, biased in count.items()}


@op_fact("factorised")
def factorised(view: View, op: Op) -> Answer:
    """Whether it is half of a pair such as 3x1 and 1x3."""
    size = op.facts.get("kernel-size")
    if not isinstance(size, tuple):
        return UNKNOWN if "conv" in op.tags else False
    between = through("pair")
    beside = (*view.beyond(op, between), *view.beyond(op, between, back=True))
    others = (o.facts.get("kernel-size") for o in beside if "conv" in o.tags)
    return 1 in size and len(set(size)) > 1 and tuple(reversed(size)) in set(others)
