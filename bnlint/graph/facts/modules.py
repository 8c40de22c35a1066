"""Facts about registered modules, called or not, and about those that are called unregistered."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from bnlint.domain.graph import ModuleInfo
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View

CONTAINERS = frozenset(("Sequential", "ModuleList", "ModuleDict"))
LAYERS = frozenset(("kernel", "norm"))


def used(view: View, info: ModuleInfo) -> Answer:
    """Whether the module, or any in it, is called in train or eval mode, or its parameters read.

    Unknown when a mode was not traced or the trace is not complete: absence proves nothing there.
    Nor does it inside of a layer, such as an attention, that reads its parts' weights itself.
    """
    if _is_touched(info) or info.path in view.once(_touched):
        return True
    blind = info.calls is None or info.eval_calls is None or not view.graph.trace.complete
    return UNKNOWN if blind or _inside_layer(view, info) else False


def _is_touched(info: ModuleInfo) -> bool:
    return bool(info.reads or info.calls or info.eval_calls)


def _touched(view: View) -> frozenset[str]:
    """The paths of what is used and of all that holds it.

    One activation object may stand in every block of a model: that it is called in some of them
    does not mean that the others are used.
    """
    found: set[str] = set()
    learned_below = view.once(_learned_below)
    for info in view.graph.modules:
        if _is_touched(info):
            shared = bool(info.aliases) and not learned_below.get(info.path)
            for path in (info.path, *info.aliases):
                found.update((path,) if shared else upwards(path))
    return frozenset(found)


@lru_cache(maxsize=1 << 16)
def upwards(path: str) -> tuple[str, ...]:
    """The path and those of all holders, without the model itself."""
    parts = path.split(".")
    return tuple(".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _inside_layer(view: View, info: ModuleInfo) -> bool:
    holders = (view.module(path) for path in upwards(info.path)[:-1])
    return any(h is not None and _hides_its_parts(h) for h in holders)


def _hides_its_parts(info: ModuleInfo) -> bool:
    return info.leaf or (
        bool(info.types)
        and info.types[0].startswith("torch.nn.")
        and short(info.types) not in CONTAINERS
    )


def parent_used(view: View, info: ModuleInfo) -> Answer:
    """Whether the module that holds this one is used; true at the top."""
    parent = view.module(info.path.rpartition(".")[0])
    return True if parent is None or not parent.path else used(view, parent)


def owner_called(view: View, info: ModuleInfo) -> Answer:
    """Whether the module whose code speaks of this one is called itself; true at the top.

    A list or a sequence has no code of its own, so it is the one that holds that.
    """
    for path in reversed(upwards(info.path)[:-1]):
        holder = view.module(path)
        if holder is None:
            return UNKNOWN
        if short(holder.types) not in CONTAINERS:
            blind = holder.calls is None or holder.eval_calls is None
            return True if holder.calls or holder.eval_calls else UNKNOWN if blind else False
    return True


def layers(view: View, info: ModuleInfo) -> Answer:
    """How many kernels and norms the module is made of, itself included."""
    return view.once(_layers_below).get(info.path, 0)


def _layers_below(view: View) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for info in view.graph.modules:
        if info.tags & LAYERS:
            for path in upwards(info.path):
                counts[path] += 1
    return dict(counts)


def learned(view: View, info: ModuleInfo) -> Answer:
    """How many numbers the module and all in it learn."""
    return view.once(_learned_below).get(info.path, 0)


def _learned_below(view: View) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for info in view.graph.modules:
        for path in upwards(info.path):
            counts[path] += info.parameters
    return dict(counts)


def repeated(view: View, info: ModuleInfo) -> Answer:
    """Whether the same object stands more than once in one list, dict or sequence.

    Two attributes of one name each are another matter: that is written by hand.
    """
    here = info.path.rpartition(".")[0]
    parent = view.module(here)
    if parent is None or not any(name.rpartition(".")[2] in CONTAINERS for name in parent.types):
        return False
    return any(alias.rpartition(".")[0] == here for alias in info.aliases)


def registered(info: ModuleInfo) -> Answer:
    """Whether the module is registered in the model."""
    return info.facts.get("registered", True)


def held(info: ModuleInfo) -> Answer:
    """How an unregistered module is held; null for a registered one."""
    return info.facts.get("held")


def known_or_unknown(value: int | None) -> Answer:
    """A count, or UNKNOWN for a mode that was not traced."""
    return UNKNOWN if value is None else value


def short(types: tuple[str, ...]) -> str:
    """The class name without its package."""
    return types[0].rpartition(".")[2] if types else ""
