"""Facts that compare a kernel with its sisters: does a norm follow them, and not this one?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View, layer_key

TO_NORM = Tags(any_of=("passthrough", "pooling", "dropout", "pad"))


def normed_after(view: View, op: Op) -> Answer:
    """Whether a norm reads the result, looking through passthrough, pooling, pad and dropout."""
    met = view.beyond(op, TO_NORM)
    if any("norm" in o.tags for o in met):
        return True
    return UNKNOWN if any("opaque" in o.tags for o in met) else False


@dataclass(frozen=True, slots=True)
class _Count:
    """How many kernels of a group there are, and after how many a norm follows."""

    all: int = 0
    normed: int = 0

    def plus(self, normed: bool) -> _Count:
        return _Count(self.all + 1, self.normed + normed)

    def share_without(self, normed: bool) -> Answer:
        """The share of the others."""
        others = self.all - 1
        return round((self.normed - normed) / others, 4) if others > 0 else UNKNOWN


Group = tuple[str, ...]


def slots(view: View, op: Op) -> tuple[Group, ...]:
    """The slots that the op fills: (class of an enclosing module, path inside it).

    From the innermost block outwards. Digits of a path stay: ``conv.0`` and ``conv.3`` of a block
    are two slots.
    """
    parts = op.module.split(".")
    found = []
    for cut in range(len(parts) - 1, 0, -1):
        info = view.module(".".join(parts[:cut]))
        if info is not None and info.types and not info.types[0].startswith("torch.nn."):
            found.append((info.types[0], ".".join(parts[cut:])))
    return tuple(found)


def _slot_counts(view: View) -> dict[Group, _Count]:
    counts: dict[Group, _Count] = defaultdict(_Count)
    for op in _kernels_once(view):
        for slot in slots(view, op):
            counts[slot] = counts[slot].plus(normed_after(view, op) is True)
    return dict(counts)


def _kernels_once(view: View) -> tuple[Op, ...]:
    """The kernels that are registered layers, each once, however often it is called."""
    return tuple({layer_key(op): op for op in view.fitting(Tags(any_of=("kernel",)))}.values())


def slot_sisters(view: View, op: Op) -> Answer:
    """How many other blocks of the same class hold a kernel in the same place."""
    counts = view.once(_slot_counts)
    return max((counts[s].all - 1 for s in slots(view, op) if s in counts), default=0)


def slot_sisters_normed(view: View, op: Op) -> Answer:
    """The share of those sisters that a norm follows; unknown without sisters."""
    counts = view.once(_slot_counts)
    for slot in slots(view, op):
        if slot in counts and counts[slot].all > 1:
            return counts[slot].share_without(normed_after(view, op) is True)
    return UNKNOWN


def _model_count(view: View) -> _Count:
    count = _Count()
    for op in _kernels_once(view):
        if activated(view, op) and "conv" in op.tags:
            count = count.plus(normed_after(view, op) is True)
    return count


def activated(view: View, op: Op) -> bool:
    """True when an activation reads the result, looking through norms and plumbing as well."""
    through = Tags(any_of=(*TO_NORM.any_of, "norm"), none_of=("fused",))
    met = view.reach(op, through)
    return any(o.tags & {"activation", "fused"} for o in met)


def feeds_activation(view: View, op: Op) -> Answer:
    """Whether an activation follows, with or without a norm in between."""
    return activated(view, op)


def sisters(view: View, op: Op) -> Answer:
    """How many other convolutions of the model feed an activation."""
    return view.once(_model_count).all - _counted(view, op)


def _counted(view: View, op: Op) -> int:
    return int("conv" in op.tags and activated(view, op))


def sisters_normed(view: View, op: Op) -> Answer:
    """The share of the model's other convolutions that feed an activation through a norm."""
    count = view.once(_model_count)
    if _counted(view, op):
        return count.share_without(normed_after(view, op) is True)
    return round(count.normed / count.all, 4) if count.all else UNKNOWN


def factorised(view: View, op: Op) -> Answer:
    """Whether the kernel is half of a pair such as 3x1 and 1x3, an activation between or not."""
    size = op.facts.get("kernel-size")
    if not isinstance(size, tuple):
        return UNKNOWN if "conv" in op.tags else False
    between = Tags(any_of=("passthrough", "activation", "pad", "dropout"))
    beside = (*view.beyond(op, between), *view.beyond(op, between, back=True))
    others = (o.facts.get("kernel-size") for o in beside if "conv" in o.tags)
    return 1 in size and len(set(size)) > 1 and tuple(reversed(size)) in set(others)
