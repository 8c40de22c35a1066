"""Facts about gradients: which layers get one, and where the way back to the others is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import UNKNOWN, Answer, model_fact, op_fact
from bnlint.graph.facts.structure import OUTPUT, reaches_output
from bnlint.graph.view import KERNEL, View, layer_key
from bnlint.layers.table import having

CUTS = Tags(any_of=tuple(having("ends", "gradient")))
_TORCHS = ("torch.", "_operator.", "builtins.", "operator.")
"""A function of the user's own may have a gradient, whatever it is called."""


@op_fact("gradient-returns")
def gradient_returns(view: View, op: Op) -> Answer:
    """Whether a gradient comes back to it from some output."""
    found = view.once(_get_gradient)[view.order(op)]
    if not found and (op.facts.get("call-index") or op.facts.get("calls", 1) != 1):
        found = layer_key(op) in view.once(_layers_with_gradient)
    return found or (False if view.positions(OUTPUT) else UNKNOWN)


@model_fact("trains")
def trains(view: View) -> Answer:
    """Whether a gradient returns to any kernel of it."""
    answers = {gradient_returns(view, op) for op in view.fitting(KERNEL)}
    return True if True in answers else UNKNOWN if UNKNOWN in answers else False


@model_fact("evaluation-only")
def evaluation_only(view: View) -> Answer:
    """Whether only its evaluation could be traced, and training may take another way."""
    return not view.graph.trace.training


@op_fact("starved-first")
def starved_first(view: View, op: Op) -> Answer:
    """The first trainable kernel that gets no gradient, since this operation cuts the way back."""
    found = view.once(_starved).get(op.id)
    return found[0].layer if found else UNKNOWN


@op_fact("starved-others")
def starved_others(view: View, op: Op) -> Answer:
    """How many more such kernels there are, in words: "" or " and 2 more layers"."""
    count = len(set(map(layer_key, view.once(_starved).get(op.id, ())))) - 1
    return f" and {count} more layer{'s' if count > 1 else ''}" if count > 0 else ""


@op_fact("starved-used")
def starved_used(view: View, op: Op) -> Answer:
    """Whether an output of the model depends on one of these kernels all the same."""
    answers = {reaches_output(view, o) for o in view.once(_starved).get(op.id, ())}
    return True if True in answers else UNKNOWN if UNKNOWN in answers else False


@op_fact("frozen-on-purpose")
def frozen_on_purpose(view: View, op: Op) -> Answer:
    """Whether all such kernels run with gradients disabled themselves."""
    found = view.once(_starved).get(op.id, ())
    return bool(found) and all(o.facts.get("grad") is False for o in found)


@op_fact("cut")
def cut(view: View, op: Op) -> Answer:
    """What cuts the gradient here, in words: "detach()", "no_grad"; null where nothing does."""
    if op.facts.get("grad") is False and "kernel" in op.tags:
        return "no_grad"
    if op.facts.get("rebuilt") is True:
        return f"{op.facts.get('class', 'tensor')}() of plain numbers"
    if _is_cut_by_kind(op) or op.facts.get("discrete") is True:
        return _called(view, op)
    if op.facts.get("grad") is False:
        return "no_grad"
    return _called(view, op) if op.id in view.once(_starved) else None


def _called(view: View, op: Op) -> str:
    """The operation as it is written: the indices of ``max()`` go by its name."""
    if op.layer == op.module:
        return f"`{op.layer}`"
    if op.kind == "slice" and op.facts.get("discrete") and not op.facts.get("integer-inputs"):
        op = next(iter(view.predecessors(op)), op)
    if op.kind == "detach" and not op.types[0].endswith(".detach"):
        return ".data"
    return f"{str(op.facts.get('class', op.kind)).strip('_')}()"


def _is_cut_by_kind(op: Op) -> bool:
    return (
        not op.tags.isdisjoint(CUTS.any_of)
        and op.types[:1] != ()
        and op.types[0].startswith(_TORCHS)
    )


def _is_closed(op: Op) -> bool:
    """Whether no gradient comes back through the operation, whatever reads its result."""
    facts = op.facts
    return facts.get("grad") is False or facts.get("discrete") is True or _is_cut_by_kind(op)


def _open_behind(view: View, n: int) -> Iterator[int]:
    """The positions that a gradient at ``n`` goes on to."""
    integers = view.ops[n].facts.get("integer-inputs", ())
    for slot, m in enumerate(view.behind[n]):
        if not (isinstance(integers, tuple) and slot in integers):
            yield m


def _get_gradient(view: View) -> list[bool]:
    """Whether a gradient of an output reaches the result at each position."""
    found = [False] * len(view.ops)
    outputs = list(view.positions(OUTPUT))
    closed = [_is_closed(op) and n not in outputs for n, op in enumerate(view.ops)]
    todo = list(outputs)
    while todo:
        n = todo.pop()
        if not found[n] and not closed[n]:
            found[n] = True
            view.visited()
            todo.extend(_open_behind(view, n))
    return found


def _layers_with_gradient(view: View) -> frozenset[str]:
    found = view.once(_get_gradient)
    return frozenset(layer_key(op) for op, came in zip(view.ops, found, strict=True) if came)


def _starved(view: View) -> dict[str, Sequence[Op]]:
    """The trainable kernels without a gradient, by the id of the operation that cuts it off."""
    found: dict[str, list[Op]] = {}
    for op in view.fitting(KERNEL):
        registered = op.facts.get("registered") is not False
        if op.facts.get("trainable") is True and registered and not gradient_returns(view, op):
            place = _cut_ahead(view, op)
            if place is not None:
                found.setdefault(place.id, []).append(op)
    return {key: tuple(ops) for key, ops in found.items()}


def _cut_ahead(view: View, op: Op) -> Op | None:
    """The first operation that cuts the way back to ``op``; None if nothing reads its result."""
    if _is_closed(op):
        return _region(view, op)
    seen: set[int] = set()
    todo, ends = [view.order(op)], []
    while todo:
        n = todo.pop()
        for m in view.ahead[n]:
            if n not in _open_behind(view, m):
                ends.append(n)
            elif _is_closed(view.ops[m]):
                ends.append(m)
            elif m not in seen:
                seen.add(m)
                view.visited()
                todo.append(m)
    return _region(view, view.ops[min(ends)]) if ends else None


def _region(view: View, op: Op) -> Op:
    """Where the stretch without gradients begins that ``op`` is in; itself outside of one."""
    n = view.order(op)
    while op.facts.get("grad") is False:
        before = [m for m in view.behind[n] if view.ops[m].facts.get("grad") is False]
        before = [m for m in before if "input" not in view.ops[m].tags]
        if not before:
            break
        n = min(before)
        op = view.ops[n]
    return op
