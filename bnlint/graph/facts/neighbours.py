"""Facts about what is next to an operation in the data flow."""

from __future__ import annotations

from collections.abc import Iterable

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import UNKNOWN, Answer, op_fact
from bnlint.graph.view import View, fits, through
from bnlint.layers.table import having

PLUMBING = through("plumbing")
"""What "ahead" and "behind" look through: it moves values, or scales them, and no more."""

GATE_PATH = through("gate", none_of=("norm",))
GATE_END = Tags(any_of=tuple(having("ends", "gate")))
HEAD_PATH = through("head", none_of=("globalpool",))


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
    """Whether nothing else reads what it reads, back through plumbing, pooling and upsampling.

    Looks back through passthrough, pooling, upsampling and what "behind" looks through.
    """
    passed = having("within", "plumbing") | having("keeps", "maps")
    source = next(iter(view.predecessors(op)), None)
    while source is not None:
        if len({reader.id for reader in view.successors(source)}) > 1:
            return False
        if not source.tags & passed:
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


@op_fact("gates")
def gates(view: View, op: Op) -> Answer:
    """Whether it leads, by kernels and activations only, to a gate that multiplies.

    The last activation before the product must saturate (or be a softmax): what is multiplied by a
    gate leads to the same product, and is no gate.
    """
    before_product = view.once(_gate_sources)
    return op.id in before_product


def _gate_sources(view: View) -> frozenset[str]:
    """Every op from which a gate can be reached: one search backwards from all gates at once."""
    found: set[str] = set()
    todo = [
        gate
        for gate in view.fitting(GATE_END)
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


@op_fact("pooled")
def pooled(view: View, op: Op) -> Answer:
    """Whether a global pool lies behind, with only kernels, norms, activations between."""
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


@op_fact("reads-input")
def reads_input(view: View, op: Op) -> Answer:
    """Whether it reads an input of the model, looking as far as behind does."""
    return any("input" in o.tags for o in view.beyond(op, PLUMBING, back=True))
