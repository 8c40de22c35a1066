"""Facts about layers that are used more than once."""

from __future__ import annotations

from collections import defaultdict

from bnlint.domain.graph import ModuleInfo, Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.answer import Answer
from bnlint.graph.facts.modules import repeated, upwards
from bnlint.graph.facts.neighbours import shared_tags
from bnlint.graph.view import View, layer_key

KEEPS_SHIFT = Tags(any_of=("passthrough", "pooling", "transpose"), none_of=("lppool",))
TO_KERNEL = Tags(none_of=("kernel", "input", "embedding"))


def same_producers(view: View, op: Op) -> Answer:
    """Whether every call of this layer reads results of the same layers.

    True where a whole part of the network is applied several times: its kernels are shared too.
    """
    calls = view.once(_calls)[layer_key(op)]
    if len(calls) == 1:
        return True
    return len({_producers(view, call) for call in calls}) == 1


def _calls(view: View) -> dict[str, list[Op]]:
    """The calls of each layer, in order."""
    found: dict[str, list[Op]] = defaultdict(list)
    for op in view.ops:
        found[layer_key(op)].append(op)
    return found


def _producers(view: View, op: Op) -> frozenset[str]:
    """The layers of the kernels behind; all inputs of the model count as one."""
    met = view.beyond(op, TO_KERNEL, back=True)
    return frozenset("" if "input" in o.tags else layer_key(o) for o in met)


def next_of_calls(view: View, op: Op) -> Answer:
    """Tags that all readers of the results of all calls of this layer share.

    Looks through what keeps a constant shift of a channel: passthrough, pooling, transposes.
    """
    calls = view.once(_calls)[layer_key(op)]
    return shared_tags(reader for call in calls for reader in view.beyond(call, KEEPS_SHIFT))


def padded_behind(view: View, op: Op) -> Answer:
    """Whether an average pool that counts its zero padding lies between it and the kernel behind.

    It averages a constant with zeros at the edges, so that it is none any more.
    """
    between = view.reach(op, KEEPS_SHIFT, back=True)
    return any("avgpool" in o.tags and _padded(o) for o in between)


def _padded(op: Op) -> bool:
    padding = op.facts.get("padding", 0)
    return any(padding) if isinstance(padding, tuple) else bool(padding)


def repeated_object(view: View, op: Op) -> Answer:
    """Whether the layer, or what holds it, stands several times in one container."""
    holders = (view.module(path) for path in upwards(op.module))
    return any(info is not None and repeated(view, info) for info in holders)


def chained(view: View, info: ModuleInfo) -> Answer:
    """Whether a later call of the module reads, however far back, the result of an earlier one."""
    calls = [op for op in view.ops if _within(op, info.path)]
    starts = [op for op in calls if op.facts.get("call-index") == 0]
    again = {op.id for op in calls if op.facts.get("call-index") not in (0, None)}
    met = set().union(*({o.id for o in view.reach(op, Tags())} for op in starts[-1:]))
    return bool(again & met)


def _within(op: Op, path: str) -> bool:
    return op.module == path or op.module.startswith(f"{path}.")
