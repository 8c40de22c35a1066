"""Facts about whole structures: chains, gradients, memory shared in place."""

from __future__ import annotations

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View, layer_key

SAME_MEMORY = frozenset(("identity", "dropout", "droppath"))
KEEPS_INPUT = frozenset(("kernel", "norm", "maxpool", "avgpool", "lppool", "product", "matmul"))
"""What torch was seen to refuse in backward when its input had been overwritten."""
BREAKS_CHAIN = frozenset(
    ("norm", "add", "concat", "product", "self-normalising", "attention", "recurrent", "matmul",
     "softmax", "input", "opaque")
)  # fmt: skip


def inplace_on_shared(view: View, op: Op) -> Answer:
    """Whether this op overwrites, in place, a tensor that another op reads later.

    Or one that has been read before by what needs it again for its gradient.
    """
    if op.facts.get("inplace") is not True:
        return False
    sources = view.predecessors(op)
    if not sources:
        return UNKNOWN
    mine = view.order(op)
    others = (o for o in _readers(view, _owner(view, sources[0])) if o.id != op.id)
    return any(view.order(o) > mine or _needs_again(o) for o in others)


def _needs_again(op: Op) -> bool:
    """Whether the gradient of ``op`` is computed from what it read."""
    if "frozen" in op.tags or {"avgpool", "globalpool"} <= op.tags:
        return False
    return not op.tags.isdisjoint(KEEPS_INPUT)


def _owner(view: View, op: Op) -> Op:
    """The op that made the memory of which ``op`` is a view."""
    while _is_view(op) and view.predecessors(op):
        op = view.predecessors(op)[0]
    return op


def _is_view(op: Op) -> bool:
    return op.kind in SAME_MEMORY or bool(op.tags & {"reshape", "split"})


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
            (todo if _is_view(reader) else found).append(reader)
    return found


def parametrized(op: Op) -> bool:
    """True when the class says that the weight is computed: torch calls it ``Parametrized...``.

    A fact of the op itself says so of other ways to compute it, such as the older weight norm.
    """
    return any(".Parametrized" in name for name in op.types)


def plain_chain(view: View, op: Op) -> Answer:
    """How many kernels stand in a row from this op on, at most.

    A norm, a merge, SELU or a computed weight ends the row.
    """
    return view.once(_chains)[op.id]


def _chains(view: View) -> dict[str, int]:
    length: dict[str, int] = {}
    ends = view.once(_ends)
    for op in reversed(view.ops):
        ahead = max((length[r.id] for r in view.successors(op)), default=0)
        length[op.id] = 0 if op.id in ends else ahead + ("kernel" in op.tags)
    return length


def _ends(view: View) -> frozenset[str]:
    """The ops that end a row of kernels."""
    return frozenset(op.id for op in view.ops if _breaks(op))


def _breaks(op: Op) -> bool:
    if not op.tags.isdisjoint(BREAKS_CHAIN):
        return True
    return op.facts.get("parametrized") is True or parametrized(op)


def chain_begins(view: View, op: Op) -> Answer:
    """Whether the row of kernels begins here: no other kernel leads to this one in it."""
    return "kernel" in op.tags and op.id not in view.once(_led_to)


def _led_to(view: View) -> frozenset[str]:
    """The ops to which a kernel leads with nothing between that ends a row."""
    found: set[str] = set()
    ends = view.once(_ends)
    for op in view.ops:
        for source in view.predecessors(op):
            if source.id not in ends and ("kernel" in source.tags or source.id in found):
                found.add(op.id)
    return frozenset(found)


def reaches_output(view: View, op: Op) -> Answer:
    """Whether a result of the model hangs on this op; unknown without any output in the graph."""
    return _reaches(view, op, view.once(_before_output))


def gradient_returns(view: View, op: Op) -> Answer:
    """Whether the gradient of some output comes back to some call of the layer, through no cut."""
    found = view.once(_before_output_with_gradient)
    if not op.facts.get("call-index") and op.facts.get("calls", 1) == 1:
        return _reaches(view, op, found)
    layers = view.once(_layers_with_gradient)
    return True if layer_key(op) in layers else _reaches(view, op, found)


def trains(view: View) -> Answer:
    """Whether the gradient of some output comes back to any kernel; unknown without an output."""
    kernels = view.fitting(Tags(any_of=("kernel",)))
    answers = {gradient_returns(view, op) for op in kernels}
    return True if True in answers else UNKNOWN if UNKNOWN in answers else False


def _reaches(view: View, op: Op, found: frozenset[str]) -> Answer:
    if op.id in found:
        return True
    return False if found or any("output" in o.tags for o in view.ops[-8:]) else UNKNOWN


def _before_output(view: View) -> frozenset[str]:
    return _backwards(view, blocked=frozenset())


def _layers_with_gradient(view: View) -> frozenset[str]:
    """The layers to some call of which a gradient comes back."""
    found = view.once(_before_output_with_gradient)
    return frozenset(layer_key(op) for op in view.ops if op.id in found)


def _before_output_with_gradient(view: View) -> frozenset[str]:
    cut = {op.id for op in view.ops if "detach" in op.tags or op.facts.get("grad") is False}
    outputs = {op.id for op in view.ops if "output" in op.tags}
    return _backwards(view, blocked=frozenset(cut - outputs))


def _backwards(view: View, blocked: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    todo = [op for op in view.ops if "output" in op.tags]
    while todo:
        op = todo.pop()
        if op.id in found or op.id in blocked:
            continue
        found.add(op.id)
        view.visited()
        todo.extend(view.predecessors(op))
    return frozenset(found)
