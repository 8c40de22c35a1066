"""Facts about what stands around an operation."""

from __future__ import annotations

from collections.abc import Iterable

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View, fits

PLUMBING = Tags(any_of=("passthrough", "reshape", "split", "pad", "scale", "dropout", "detach"))
"""What "ahead" and "behind" look through: it moves values, or scales them, and no more."""

GATE_PATH = Tags(
    any_of=("passthrough", "reshape", "split", "scale", "activation", "softmax", "kernel",
            "upsample", "pad"),
    none_of=("norm",),
)  # fmt: skip
HEAD_PATH = Tags(
    any_of=("passthrough", "reshape", "scale", "activation", "kernel", "dropout", "norm"),
    none_of=("globalpool",),
)


def users(view: View, op: Op) -> Answer:
    """How many ops read the result; being a result of the model counts as one."""
    return len({reader.id for reader in view.successors(op)})


def input_users(view: View, op: Op) -> Answer:
    """How many ops read what this op reads first."""
    sources = view.predecessors(op)
    return users(view, sources[0]) if sources else UNKNOWN


def sole_reader(view: View, op: Op) -> Answer:
    """Whether nothing else reads what the op reads, back to the first op that is no plumbing.

    Looks back through passthrough, pooling, upsampling and what "behind" looks through.
    """
    through = (*PLUMBING.any_of, "pooling", "upsample")
    source = next(iter(view.predecessors(op)), None)
    while source is not None:
        if len({reader.id for reader in view.successors(source)}) > 1:
            return False
        if not source.tags & set(through):
            return True
        source = next(iter(view.predecessors(source)), None)
    return True


def all_tags(ops: Iterable[Op]) -> Answer:
    """The union of the ops' tags, sorted."""
    return tuple(sorted(frozenset().union(*(op.tags for op in ops))))


def shared_tags(ops: Iterable[Op]) -> Answer:
    """The tags that every one of the ops has, sorted."""
    each = [op.tags for op in ops]
    return tuple(sorted(frozenset.intersection(*each))) if each else ()


def next_(view: View, op: Op) -> Answer:
    """Tags of the readers of the result, looking through passthrough ops."""
    return all_tags(view.beyond(op))


def next_all(view: View, op: Op) -> Answer:
    """Tags that all readers of the result share, looking through passthrough ops."""
    return shared_tags(view.beyond(op))


def previous(view: View, op: Op) -> Answer:
    """Tags of what the op reads, looking through passthrough ops."""
    return all_tags(view.beyond(op, back=True))


def ahead(view: View, op: Op) -> Answer:
    """Tags of what comes next, looking through passthrough, reshape, split, pad, scale, dropout."""
    return all_tags(view.beyond(op, PLUMBING))


def behind(view: View, op: Op) -> Answer:
    """Tags of what came before, looking through passthrough, reshape, split, pad, ..., dropout."""
    return all_tags(view.beyond(op, PLUMBING, back=True))


def gates(view: View, op: Op) -> Answer:
    """Whether the result ends, by kernels and activations only, as a factor in 0..1 of a product.

    The last activation before the product must saturate (or be a softmax): what is multiplied by a
    gate leads to the same product, and is no gate.
    """
    before_product = view.once(_gate_sources)
    return op.id in before_product


def _gate_sources(view: View) -> frozenset[str]:
    """Every op from which a gate can be reached: one search backwards from all gates at once."""
    closing = Tags(any_of=("saturating", "softmax"))
    found: set[str] = set()
    todo = [
        gate
        for gate in view.fitting(closing)
        if any("product" in o.tags for o in view.beyond(gate, PLUMBING))
    ]
    while todo:
        op = todo.pop()
        if op.id in found or not fits(op.tags, GATE_PATH):
            continue
        found.add(op.id)
        view.visited()
        todo.extend(view.predecessors(op))
    return frozenset(found)


def pooled(view: View, op: Op) -> Answer:
    """Whether a global pool lies behind with only kernels, norms, activations in between."""
    return op.id in view.once(_after_global_pool)


def _after_global_pool(view: View) -> frozenset[str]:
    found: set[str] = set()
    for op in view.ops:
        sources = view.predecessors(op)
        if any("globalpool" in s.tags for s in sources) or (
            any(s.id in found and fits(s.tags, HEAD_PATH) for s in sources)
        ):
            found.add(op.id)
    return frozenset(found)


def reads_input(view: View, op: Op) -> Answer:
    """Whether the op reads an input of the model, looking through plumbing."""
    return any("input" in o.tags for o in view.beyond(op, PLUMBING, back=True))
