"""Facts about results that nothing reads, and about layers that are called again."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.graph import Op, Value
from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import UNKNOWN, Answer, op_fact
from bnlint.graph.facts.structure import OUTPUT, reaches_output
from bnlint.graph.view import KERNEL, View, layer_key

LAYER = frozenset(("kernel", "norm", "activation", "opaque"))
SHOWN = 3
TO_KERNELS = Tags(
    none_of=("kernel", "recurrent", "attention", "opaque", "input", "product", "matmul", "softmax",
             "detach", "step")
)  # fmt: skip
"""What changes a result and leaves it the same tensor: activations, norms, pools, sums."""


@op_fact("unread")
def unread(view: View, op: Op) -> Answer:
    """Whether no result depends on it, nothing keeps or prints it, and no layer reads it.

    Unknown where something was not seen, which may read it. Where the forward failed, the error
    comes first and this is no question.
    """
    if view.once(_failed):
        return False
    if view.once(_has_unseen_parts):
        return UNKNOWN
    if reaches_output(view, op) is not False:
        return False
    ahead = (op, *view.reach(op, Tags()))
    used = any(o.facts.get("kept") is True or o.facts.get("read-in-evaluation") for o in ahead)
    return not used and not any(o.tags & LAYER for o in ahead[1:])


@op_fact("forgotten")
def forgotten(view: View, op: Op) -> Answer:
    """Whether the source drops an unread result whichever way it takes, so that none can read it.

    A result that an option, another branch or a caller may use is not forgotten.
    """
    if reaches_output(view, op) is True:
        return False
    ahead = (op, *view.reach(op, Tags()))
    return all(o.facts.get("dropped") is True for o in ahead if not any(view.successors(o)))


@op_fact("unread-with-it")
def unread_with_it(view: View, op: Op) -> Answer:
    """The layers behind an unread one that no result depends on either, in words."""
    if unread(view, op) is not True:
        return ""
    behind = view.reach(op, Tags(none_of=("input",)), back=True)
    learned = (o for o in behind if o.tags & {"kernel", "norm"} and not reaches_output(view, o))
    names = [f"`{layer}`" for layer in dict.fromkeys(o.layer for o in learned)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f" (nor of {', '.join(names[:SHOWN])}{more} before it)" if names else ""


def _failed(view: View) -> bool:
    return any(op.error is not None for op in view.ops)


def _has_unseen_parts(view: View) -> bool:
    returned = any(view.behind[n] for n in view.positions(OUTPUT))
    alone = any(op.facts.get("alone") for op in view.ops)
    return alone or not returned or not view.graph.trace.complete


@op_fact("unread-input")
def unread_input(view: View, op: Op) -> Answer:
    """Whether it is an argument that forward never reads, or from which nothing leads to a result.

    An argument of which only the shape is read, or whether it is given, counts as read.
    """
    if "input" not in op.tags or "named" not in op.facts:
        return False
    if op.facts["named"] is False:
        return True
    if view.once(_failed):
        return False
    if view.once(_has_unseen_parts):
        return UNKNOWN
    ahead = view.reach(op, Tags())
    used = any(o.facts.get("kept") is True or o.facts.get("read-in-evaluation") for o in ahead)
    return bool(ahead) and not used and reaches_output(view, op) is False


@op_fact("recomputed")
def recomputed(_: View, op: Op) -> Answer:
    """Layers: whether torch.utils.checkpoint runs it again in backward."""
    return op.facts.get("recomputed") is True


@op_fact("on-in-evaluation")
def on_in_evaluation(_: View, op: Op) -> Answer:
    """Dropout: whether it is on in eval mode; a registered layer follows the mode."""
    return False if op.layer == op.module and op.facts.get("registered") is True else UNKNOWN


@op_fact("chained-elsewhere")
def chained_elsewhere(view: View, op: Op) -> Answer:
    """Whether it is called again on a result of its own, from another line of the code.

    For the layers of a block that is called again, this is said of the first one. A line that runs
    several times (a loop, a recurrence) does not count.
    """
    return next(_earlier_elsewhere(view, op), None) is not None


@op_fact("first-call-line")
def first_call_line(view: View, op: Op) -> Answer:
    """The line of the earlier call that it reads the result of, where it is called again."""
    found = next(_earlier_elsewhere(view, op), None)
    return UNKNOWN if found is None else found[1]


@op_fact("block-called-again")
def block_called_again(view: View, op: Op) -> Answer:
    """The path of the module that is called again: the layer itself, or the block it is in."""
    found = next(_earlier_elsewhere(view, op), None)
    return UNKNOWN if found is None else found[0]


@op_fact("read-between")
def read_between(view: View, op: Op) -> Answer:
    """Whether something else reads the earlier result as well, where it is called again."""
    found = next(_earlier_elsewhere(view, op), None)
    if found is None:
        return UNKNOWN
    between = {o.id for o in view.reach(op, TO_KERNELS, back=True)} | {op.id}
    start = found[2]
    todo, seen = [start], {start.id}
    while todo:
        for reader in view.successors(todo.pop()):
            if reader.id not in between:
                return True
            if reader.id not in seen and reader.id != op.id:
                seen.add(reader.id)
                todo.append(reader)
    return False


def _earlier_elsewhere(view: View, op: Op) -> Iterator[tuple[str, int, Op]]:
    """The part that is called again, the line of the call before, and the kernel it ends in."""
    lines = op.facts.get("called-from")
    if not isinstance(lines, tuple) or not op.facts.get("call-index"):
        return
    calls = [o.facts.get("called-from") for o in view.once(_kernel_calls).get(layer_key(op), ())]
    if len(set(calls)) < len(calls):
        return  # a line that runs several times
    for before in view.beyond(op, TO_KERNELS, back=True):
        others = before.facts.get("called-from")
        if "kernel" not in before.tags or not isinstance(others, tuple):
            continue
        depth = _parting(lines, others)
        if depth is None or _in_one_loop(op, before, depth):
            continue
        mine = [c for c in calls if isinstance(c, tuple) and c[: depth + 1] == others[: depth + 1]]
        part = op.module if depth == len(lines) - 1 else _shared_holder(op.module, before.module)
        if mine and part:
            yield part, int(str(others[depth])), before


def _in_one_loop(one: Op, other: Op, depth: int) -> bool:
    """True if one loop runs both lines: ``x = step(x) if i == 0 else step(x + start)``."""
    loops = [op.facts.get("called-in-loops") for op in (one, other)]
    around = [of[depth] if isinstance(of, tuple) and depth < len(of) else 0 for of in loops]
    return around[0] == around[1] != 0


def _kernel_calls(view: View) -> dict[str, list[Op]]:
    found: dict[str, list[Op]] = {}
    for op in view.fitting(KERNEL):
        found.setdefault(layer_key(op), []).append(op)
    return found


def _parting(lines: tuple[Value, ...], others: tuple[Value, ...]) -> int | None:
    """The first level at which two chains of calls differ."""
    pairs = zip(lines, others, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), None)


def _shared_holder(one: str, other: str) -> str:
    """The path of the innermost module that holds both layers."""
    if one == other:
        return one.rpartition(".")[0]
    parts = []
    for a, b in zip(one.split("."), other.split("."), strict=False):
        if a != b:
            break
        parts.append(a)
    return ".".join(parts)
