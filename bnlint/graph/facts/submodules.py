"""Facts about modules: registered ones, called or not, unregistered ones, and layers used twice."""

from __future__ import annotations

from collections import Counter, defaultdict

from bnlint.domain.graph import ModuleInfo, Op, Value
from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import UNKNOWN, Answer, module_fact, op_fact
from bnlint.graph.facts.surroundings import normed_after, shared_tags
from bnlint.graph.view import View, layer_key, upwards
from bnlint.layers.table import having

CONTAINERS = frozenset(("Sequential", "ModuleList", "ModuleDict"))
LAYERS = frozenset(("kernel", "norm"))
KEEPS_SHIFT = Tags(any_of=tuple(having("keeps", "shift")), none_of=("lppool",))
TO_KERNEL = Tags(none_of=(*having("sets", "channels"), "input"))


def short(types: tuple[str, ...]) -> str:
    """The class name without its package."""
    return types[0].rpartition(".")[2] if types else ""


def _holder(path: str) -> str:
    """The path of the module that holds this one; empty for the model's own parts."""
    return path.rpartition(".")[0]


def _if_traced(calls: int | None) -> Answer:
    return UNKNOWN if calls is None else calls


op_fact("class", "short name of the class or function")(lambda _, op: short(op.types))
module_fact("path", "where it is registered")(lambda _, info: info.path)
module_fact("parent", "path of the module that holds it")(lambda _, info: _holder(info.path))
module_fact("kind", "its row in layers.yaml")(lambda _, info: info.kind)
module_fact("tags", "kind and families")(lambda _, info: tuple(sorted(info.tags)))
module_fact("class", "short name of its class")(lambda _, info: short(info.types))
module_fact("types", "dotted class names along the MRO")(lambda _, info: info.types)
module_fact("parameters", "how many numbers it learns")(lambda _, info: info.parameters)
module_fact("leaf", "whether it became an op")(lambda _, info: info.leaf)
module_fact("reads", "whether a parameter of it is read without a call")(lambda _, info: info.reads)
module_fact("calls", "calls in train mode; unknown if not traced")(
    lambda _, info: _if_traced(info.calls)
)
module_fact("eval-calls", "calls in eval mode; unknown if not traced")(
    lambda _, info: _if_traced(info.eval_calls)
)
module_fact("registered", "whether it is registered in the model")(
    lambda _, info: info.facts.get("registered", True)
)
module_fact("held", "how an unregistered one is held: list, global or forward; else null")(
    lambda _, info: info.facts.get("held")
)
module_fact("aliases", "other paths of the same object")(lambda _, info: info.aliases)
module_fact("alias-count", "how many other paths there are")(lambda _, info: len(info.aliases))


@module_fact("used")
def used(view: View, info: ModuleInfo) -> Answer:
    """Whether it or a part is called in either mode or its weight read; unknown if not traced.

    Unknown when a mode was not traced or the trace is not complete: absence proves nothing there.
    Nor does it inside of a layer, such as an attention, that reads its parts' weights itself, and
    of a model that was guessed for an argument, of which only a part may be wanted.
    """
    if _is_touched(info) or info.path in view.once(_touched):
        return True
    blind = _called(info) is UNKNOWN or not view.graph.trace.complete
    unsure = blind or _inside_layer(view, info) or _inside_guess(view, info)
    return UNKNOWN if unsure else False


def _called(info: ModuleInfo) -> Answer:
    if info.calls or info.eval_calls:
        return True
    return UNKNOWN if info.calls is None or info.eval_calls is None else False


def _is_touched(info: ModuleInfo) -> bool:
    return info.reads or _called(info) is True


def _touched(view: View) -> frozenset[str]:
    """The paths of what is used and of all that holds it.

    One activation object may be in every block of a model: that it is called in some of them
    does not mean that the others are used.
    """
    found: set[str] = set()
    learned_below = view.once(_learned_below)
    for info in view.graph.modules:
        if _is_touched(info):
            shared = bool(info.aliases) and not learned_below[info.path]
            for path in (info.path, *info.aliases):
                found.update((path,) if shared else upwards(path))
    return frozenset(found)


def _inside_layer(view: View, info: ModuleInfo) -> bool:
    holders = (view.module(path) for path in ("", *upwards(info.path)[:-1]))
    return any(h is not None and _hides_its_parts(h) for h in holders)


def _inside_guess(view: View, info: ModuleInfo) -> bool:
    """True below a module of the user that is called like a guessed argument."""
    first, _, rest = info.path.partition(".")
    holder = view.module(first) if rest and first in view.graph.ref.guessed else None
    return holder is not None and short(holder.types) not in CONTAINERS


def _hides_its_parts(info: ModuleInfo) -> bool:
    return info.leaf or (
        bool(info.types)
        and info.types[0].startswith("torch.nn.")
        and short(info.types) not in CONTAINERS
    )


@module_fact("parent-used")
def parent_used(view: View, info: ModuleInfo) -> Answer:
    """The same for the module that holds it; true at the top."""
    parent = view.module(_holder(info.path))
    return True if parent is None or not parent.path else used(view, parent)


@module_fact("owner-called")
def owner_called(view: View, info: ModuleInfo) -> Answer:
    """Whether the module whose code may speak of it is itself called.

    A list or a sequence has no code of its own, so it is the one that holds that.
    """
    for path in reversed(upwards(info.path)[:-1]):
        holder = view.module(path)
        if holder is None:
            return UNKNOWN
        if short(holder.types) not in CONTAINERS:
            return _called(holder)
    return True


@module_fact("layers")
def layers(view: View, info: ModuleInfo) -> Answer:
    """How many kernels and norms it is made of."""
    return view.once(_layers_below)[info.path]


def _layers_below(view: View) -> Counter[str]:
    modules = (info for info in view.graph.modules if info.tags & LAYERS)
    return Counter(path for info in modules for path in upwards(info.path))


@module_fact("learned")
def learned(view: View, info: ModuleInfo) -> Answer:
    """How many numbers it and all in it learn."""
    return view.once(_learned_below)[info.path]


def _learned_below(view: View) -> Counter[str]:
    counts: Counter[str] = Counter()
    for info in view.graph.modules:
        counts.update(dict.fromkeys(upwards(info.path), info.parameters))
    return counts


@module_fact("repeated")
def repeated(view: View, info: ModuleInfo) -> Answer:
    """Whether the same object is in one container more than once.

    Two attributes of one name each are another matter: that is written by hand.
    """
    here = _holder(info.path)
    parent = view.module(here)
    if parent is None or not any(name.rpartition(".")[2] in CONTAINERS for name in parent.types):
        return False
    return any(_holder(alias) == here for alias in info.aliases)


@op_fact("same-producers")
def same_producers(view: View, op: Op) -> Answer:
    """Whether all calls of the layer read the same kernels, which are then shared too."""
    calls = view.once(_calls)[layer_key(op)]
    return len(calls) == 1 or len({_producers(view, call) for call in calls}) == 1


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


@op_fact("chained-calls")
def chained_calls(view: View, op: Op) -> Answer:
    """Whether a later call of the layer reads, near or far, the result of an earlier one."""
    first, *later = view.once(_calls)[layer_key(op)]
    met = {o.id for o in view.reach(first, Tags())} if later else set()
    return any(call.id in met for call in later)


@op_fact("spare-norm")
def spare_norm(view: View, op: Op) -> Answer:
    """Kernels: an unused norm beside it, with as many channels as no other kernel there has that
    goes without; null without one.
    """
    channels, home = op.facts.get("out-channels"), _holder(op.module)
    if "kernel" not in op.tags or layer_key(op) not in view.once(_bare)[home, channels]:
        return None
    if len(view.once(_bare)[home, channels]) > 1:
        return None
    spare = (info for info in view.once(_unused_norms) if info.facts.get("channels") == channels)
    return next((info.path for info in spare if _holder(info.path) == home), None)


def layer_in_need(view: View, info: ModuleInfo) -> str:
    """The layer without a norm that an unused one seems to be made for; empty without one."""
    kernels = view.fitting(Tags(any_of=("kernel",))) if "norm" in info.tags else ()
    return next((op.layer for op in kernels if spare_norm(view, op) == info.path), "")


def _bare(view: View) -> dict[tuple[str, Value], set[str]]:
    """The registered kernels that no norm follows, by their holder and their channels."""
    found: dict[tuple[str, Value], set[str]] = defaultdict(set)
    for op in view.fitting(Tags(any_of=("kernel",))):
        if op.facts.get("registered") is True and normed_after(view, op) is False:
            found[_holder(op.module), op.facts.get("out-channels")].add(layer_key(op))
    return found


def _unused_norms(view: View) -> tuple[ModuleInfo, ...]:
    norms = (info for info in view.graph.modules if "norm" in info.tags)
    return tuple(info for info in norms if used(view, info) is False)


@op_fact("next-of-calls")
def next_of_calls(view: View, op: Op) -> Answer:
    """Tags that all readers of all its calls share, looking through passthrough, pooling,
    transpose.
    """
    calls = view.once(_calls)[layer_key(op)]
    return shared_tags(reader for call in calls for reader in view.beyond(call, KEEPS_SHIFT))


@op_fact("padded-behind")
def padded_behind(view: View, op: Op) -> Answer:
    """Whether a zero-padded average pool lies behind, before the kernel.

    It averages a constant with zeros at the edges, so that it is none any more.
    """
    between = view.reach(op, KEEPS_SHIFT, back=True)
    return any("avgpool" in o.tags and _padded(o) for o in between)


def _padded(op: Op) -> bool:
    padding = op.facts.get("padding", 0)
    return any(padding) if isinstance(padding, tuple) else bool(padding)


@op_fact("repeated-object")
def repeated_object(view: View, op: Op) -> Answer:
    """Whether it, or what holds it, is in a container several times."""
    holders = (view.module(path) for path in upwards(op.module))
    return any(info is not None and repeated(view, info) for info in holders)


@module_fact("chained")
def chained(view: View, info: ModuleInfo) -> Answer:
    """Whether a later call of it reads the result of an earlier one."""
    calls = [op for op in view.ops if f"{op.module}.".startswith(f"{info.path}.")]
    starts = [op for op in calls if op.facts.get("call-index") == 0]
    again = {op.id for op in calls if op.facts.get("call-index") not in (0, None)}
    met = set().union(*({o.id for o in view.reach(op, Tags())} for op in starts[-1:]))
    return bool(again & met)
