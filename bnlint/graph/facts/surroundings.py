"""Facts about what is around an operation in the data flow: its neighbors, and what is beyond."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import UNKNOWN, Answer, model_fact, op_fact, op_fact_of_all
from bnlint.graph.view import View, through
from bnlint.layers.table import having

PLUMBING = through("plumbing")
"""What "ahead" and "behind" look through: it moves values, or scales them, and no more."""

GATE_PATH = through("gate", none_of=("norm",))
GATE_END = Tags(any_of=tuple(having("ends", "gate")))
GLOBAL_POOL = Tags(any_of=("globalpool",))
HEAD_PATH = through("head", none_of=("globalpool",))
TO_ACTIVATION = through("block", none_of=("norm",))
OPAQUE = Tags(any_of=("opaque",))
TO_NORM = through("norming")
"""A pre-activation block is normed by the norm after its add, a dense one after its concat."""
TO_OUTPUT = through("output")


@op_fact("users")
def users(view: View, op: Op) -> Answer:
    """How many ops read the result; being a result of the model counts as one."""
    return len({reader.id for reader in view.successors(op)})


@op_fact("input-users")
def input_users(view: View, op: Op) -> Answer:
    """How many ops read the tensor that this op reads first."""
    sources = view.predecessors(op)
    return users(view, sources[0]) if sources else UNKNOWN


@op_fact("sole-reader")
def sole_reader(view: View, op: Op) -> Answer:
    """Whether nothing else reads what it reads, back through plumbing, pooling and upsampling."""
    passed = having("within", "plumbing") | having("keeps", "maps")
    while sources := view.predecessors(op):
        op = sources[0]
        if len({reader.id for reader in view.successors(op)}) > 1:
            return False
        if not op.tags & passed:
            break
    return True


def all_tags(ops: Iterable[Op]) -> Answer:
    """The union of the ops' tags, sorted."""
    return tuple(sorted(frozenset().union(*(op.tags for op in ops))))


def shared_tags(ops: Iterable[Op]) -> Answer:
    """The tags that every one of the ops has, sorted."""
    each = [op.tags for op in ops]
    return tuple(sorted(frozenset.intersection(*each))) if each else ()


@op_fact("next")
def next_(view: View, op: Op) -> Answer:
    """Tags of the readers, looking through passthrough ops."""
    return all_tags(view.beyond(op))


@op_fact("next-all")
def next_all(view: View, op: Op) -> Answer:
    """Tags that all readers share, looking through passthrough ops."""
    return shared_tags(view.beyond(op))


@op_fact("previous")
def previous(view: View, op: Op) -> Answer:
    """Tags of what it reads, looking through passthrough ops."""
    return all_tags(view.beyond(op, back=True))


@op_fact("ahead")
def ahead(view: View, op: Op) -> Answer:
    """Like next, looking also through reshape, split, pad, scale, dropout, detach."""
    return all_tags(view.beyond(op, PLUMBING))


@op_fact("behind")
def behind(view: View, op: Op) -> Answer:
    """Like previous, looking also through reshape, split, pad, scale, dropout, detach."""
    return all_tags(view.beyond(op, PLUMBING, back=True))


@op_fact_of_all("gates")
def gates(view: View) -> Sequence[Answer]:
    """Whether it leads, by kernels and activations only, to a gate that multiplies.

    The last activation before the product must saturate (or be a softmax): what is multiplied by a
    gate leads to the same product, and is no gate. One search backwards from all gates at once.
    """
    found, walked = [False] * len(view.ops), view.marks(GATE_PATH)
    todo = [
        view.order(gate)
        for gate in view.fitting(GATE_END)
        if any("product" in o.tags for o in view.beyond(gate, PLUMBING))
    ]
    while todo:
        n = todo.pop()
        if walked[n] and not found[n]:
            found[n] = True
            view.visited()
            todo.extend(view.behind[n])
    return found


@op_fact_of_all("pooled")
def pooled(view: View) -> Sequence[Answer]:
    """Whether a global pool lies behind, with only kernels, norms, activations between."""
    pools, walked = view.marks(GLOBAL_POOL), view.marks(HEAD_PATH)
    found: list[bool] = []
    for behind in view.behind:
        found.append(any(pools[n] or (found[n] and walked[n]) for n in behind))
    return found


@op_fact("reads-input")
def reads_input(view: View, op: Op) -> Answer:
    """Whether it reads an input of the model, looking as far as behind does."""
    return any("input" in o.tags for o in view.beyond(op, PLUMBING, back=True))


@op_fact("normed-after")
def normed_after(view: View, op: Op) -> Answer:
    """Whether a norm reads the result before a kernel or activation does, merges aside.

    Looks through passthrough, pooling, pad, dropout, reshapes, splits and merges.
    """
    return view.once(_met_first, "norm")[view.order(op)]


@op_fact("activated-after")
def activated_after(view: View, op: Op) -> Answer:
    """Whether an activation reads the result before a kernel or norm does, merges aside."""
    return view.once(_met_first, "activation")[view.order(op)]


def _met_first(view: View, tag: str) -> list[Answer]:
    """The answer by position: one pass backwards, since merges follow merges all the way."""
    wanted, opaque, walked = map(view.marks, (Tags(any_of=(tag,)), OPAQUE, TO_NORM))
    known: list[Answer] = [False] * len(wanted)
    for n in reversed(range(len(known))):
        for m in view.ahead[n]:
            met = True if wanted[m] else UNKNOWN if opaque[m] else walked[m] and known[m]
            if met is True:
                known[n] = True
                break
            if met is UNKNOWN:
                known[n] = UNKNOWN
    return known


@op_fact("normed-late")
def normed_late(view: View, op: Op) -> Answer:
    """Whether a norm follows directly behind the activation that reads it."""
    acts = [o for o in view.reach(op, TO_ACTIVATION) if "activation" in o.tags]
    return any(normed_after(view, act) is True for act in acts)


@op_fact("feeds-activation")
def feeds_activation(view: View, op: Op) -> Answer:
    """Whether an activation follows, with or without a norm between."""
    gap = Tags(any_of=(*TO_ACTIVATION.any_of, "norm"), none_of=("fused",))
    return any(o.tags & {"activation", "fused"} for o in view.reach(op, gap))


@op_fact("first-kernel")
def first_kernel(view: View, op: Op) -> Answer:
    """Whether no kernel lies behind.

    Unknown behind a part that could not be traced.
    """
    return _none(view, op, "kernel", back=True)


@op_fact("last-kernel")
def last_kernel(view: View, op: Op) -> Answer:
    """Whether no kernel lies ahead.

    Unknown ahead of a part that could not be traced.
    """
    return _none(view, op, "kernel")


@op_fact("norm-ahead")
def norm_ahead(view: View, op: Op) -> Answer:
    """Whether a norm lies anywhere ahead."""
    absent = _none(view, op, "norm")
    return absent if absent is UNKNOWN else not absent


def _none(view: View, op: Op, tag: str, *, back: bool = False) -> Answer:
    """Whether no op with ``tag`` is on that side; unknown where something opaque is."""
    if op.id in view.once(_lead_to, tag, back):
        return False
    return UNKNOWN if op.id in view.once(_lead_to, "opaque", back) else True


def _lead_to(view: View, tag: str, back: bool) -> frozenset[str]:
    """The ops on whose side, near or far, an op with ``tag`` lies; one pass."""
    found: set[str] = set()
    beside = view.predecessors if back else view.successors
    for op in view.ops if back else reversed(view.ops):
        if any(o.id in found or tag in o.tags for o in beside(op)):
            found.add(op.id)
    return frozenset(found)


@model_fact("classifier")
def classifier(view: View) -> Answer:
    """Whether a result comes from a dense kernel that narrows.

    Looks back from the outputs through norms, softmax, dropout and reshapes. Unknown without an
    output in the graph.
    """
    outputs = view.fitting(Tags(any_of=("output",)))
    if not outputs:
        return UNKNOWN
    ends = [o for output in outputs for o in view.beyond(output, TO_OUTPUT, back=True)]
    return any("dense" in op.tags and _narrows(op) for op in ends)


def _narrows(op: Op) -> bool:
    wide, narrow = op.facts.get("in-channels"), op.facts.get("out-channels")
    return isinstance(wide, int) and isinstance(narrow, int) and narrow < wide
