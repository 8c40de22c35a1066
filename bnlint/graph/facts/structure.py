"""Facts about whole structures: chains, what leads to an output, memory shared in place."""

from __future__ import annotations

from collections.abc import Sequence

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import UNKNOWN, Answer, op_fact, op_fact_of_all
from bnlint.graph.view import KERNEL, View
from bnlint.layers.table import having

SAME_MEMORY = having("keeps", "memory")
KEEPS_INPUT = having("needs", "input")
"""What torch was seen to refuse in backward when its input had been overwritten."""
OUTPUT = Tags(any_of=("output",))
BRANCH_END = Tags(any_of=tuple(sorted(having("within", "own-norm") | {"scale"})))
BREAKS_CHAIN = Tags(any_of=tuple(having("ends", "chain")))


@op_fact("inplace-on-shared")
def inplace_on_shared(view: View, op: Op) -> Answer:
    """Whether it overwrites what another op reads later, or needs again for its gradient.

    Or one that has been read before by what needs it again for its gradient.
    """
    if op.facts.get("inplace") is not True:
        return False
    sources = view.predecessors(op)
    if not sources:
        return UNKNOWN
    owner, mine = sources[0], view.order(op)
    while owner.tags & SAME_MEMORY and (behind := view.predecessors(owner)):
        owner = behind[0]
    others = (o for o in _readers(view, owner) if o.id != op.id)
    return any(view.order(o) > mine or _needs_again(o) for o in others)


def _needs_again(op: Op) -> bool:
    """Whether its gradient is computed from what it read."""
    if "frozen" in op.tags or {"avgpool", "globalpool"} <= op.tags:
        return False
    return not op.tags.isdisjoint(KEEPS_INPUT)


def _readers(view: View, owner: Op) -> list[Op]:
    """The ops that read the owner's memory, directly or through views; views are not readers."""
    found: list[Op] = []
    todo, seen = [owner], {owner.id}
    while todo:
        for reader in view.successors(todo.pop()):
            if reader.id in seen:
                continue
            seen.add(reader.id)
            view.visited()
            (todo if reader.tags & SAME_MEMORY else found).append(reader)
    return found


@op_fact("parametrized")
def parametrized(_: View, op: Op) -> bool:
    """Whether the weight is computed: weight norm, spectral norm.

    A fact of the op itself says so of other ways to compute it, such as the older weight norm.
    """
    return any(".Parametrized" in name for name in op.types)


@op_fact_of_all("plain-chain")
def plain_chain(view: View) -> Sequence[Answer]:
    """Kernels in a row from here on, at most, with no norm, merge or SELU among them."""
    kernels, ends = view.marks(KERNEL), view.once(_ends)
    length = [0] * len(kernels)
    for n in reversed(range(len(length))):
        if not ends[n]:
            length[n] = kernels[n] + max((length[m] for m in view.ahead[n]), default=0)
    return length


def _ends(view: View) -> list[bool]:
    """Whether the op at each position ends a row of kernels."""
    ends = view.marks(BREAKS_CHAIN)
    for n in view.positions(KERNEL):
        op = view.ops[n]
        ends[n] = ends[n] or op.facts.get("parametrized") is True or parametrized(view, op)
    return ends


@op_fact_of_all("chain-begins")
def chain_begins(view: View) -> Sequence[Answer]:
    """Whether no other kernel leads to it in such a row."""
    kernels, ends = view.marks(KERNEL), view.once(_ends)
    led_to: list[bool] = []
    for behind in view.behind:
        led_to.append(any(not ends[n] and (kernels[n] or led_to[n]) for n in behind))
    return [kernel and not led for kernel, led in zip(kernels, led_to, strict=True)]


@op_fact("added-to-skip")
def added_to_skip(view: View, op: Op) -> Answer:
    """Whether its result is added to a value that it was computed from: a residual branch ends.

    Looks through plumbing, pooling, dropout, reshapes and the scale of a branch.
    """
    sums = [o for o in view.reach(op, BRANCH_END) if "add" in o.tags]
    return any(_leads_to(view, other, op) for o in sums for other in view.predecessors(o))


def _leads_to(view: View, first: Op, last: Op) -> bool:
    """Whether one operation is computed from another; only what lies between is looked at."""
    found, todo, begin = {last.id}, [last], view.order(first)
    while todo:
        for source in view.predecessors(todo.pop()):
            if source.id == first.id:
                return True
            if source.id not in found and view.order(source) > begin:
                found.add(source.id)
                view.visited()
                todo.append(source)
    return False


@op_fact("reaches-output")
def reaches_output(view: View, op: Op) -> Answer:
    """Whether a result of the model depends on it."""
    return view.once(_lead_to_output)[view.order(op)] or (
        False if view.positions(OUTPUT) else UNKNOWN
    )


def _lead_to_output(view: View) -> list[bool]:
    """Whether each position leads to an output."""
    found = [False] * len(view.ops)
    todo = list(view.positions(OUTPUT))
    while todo:
        n = todo.pop()
        if not found[n]:
            found[n] = True
            view.visited()
            todo.extend(view.behind[n])
    return found
