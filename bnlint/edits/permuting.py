"""``permute``: a view that only counts values in another way permutes the axes first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bnlint.domain.graph import ModuleInfo, name_of
from bnlint.edits import Action, Change, Job, NoEdit, Plan, is_method
from bnlint.edits.construction import FoundCall
from bnlint.edits.syntax import Splice, Syntax

_VIEWS = ("view", "reshape")
_FACTS = frozenset(("class", "sizes", "permutation", "swapped", "dim"))


def permute(job: Job) -> Iterator[Plan]:
    """The axes in the order that is meant, and the view after it where it merges or splits some."""
    view, order = job.layers["of"], job.arguments["order"]
    name = view.types[0].rpartition(".")[2] if view.types else ""
    if isinstance(view, ModuleInfo) or name not in _VIEWS or not isinstance(order, tuple):
        raise NoEdit(f"{name_of(view)} is neither view nor reshape")
    call = FoundCall(job, view)
    text = _permutation([n for n in order if isinstance(n, int)])
    old, new = view.inputs[0], view.outputs[0]
    assert old is not None
    if tuple(old[n] for n in order if isinstance(n, int)) == new:
        yield _plan(call, _in_place_of(call, text), f"use {text[1:]} for {name}", Change(
            _FACTS, kind=True, renames=True))  # fmt: skip
    else:
        change = Change(_FACTS, kind=True, inserted="before", renames=True)
        yield _plan(call, _in_front_of(call, text), f"{text[1:]} before the reshape", change)


def _plan(call: FoundCall, splices: tuple[Splice, ...], message: str, change: Change) -> Plan:
    path = call.syntax.source.path
    return Plan(path, splices, message, change, called={"of": call.location})


def _permutation(order: list[int]) -> str:
    """The method call that reorders axes: a transpose where two of them change places."""
    moved = [n for n, axis in enumerate(order) if n != axis]
    if len(moved) == 2:
        return f".transpose({moved[0]}, {moved[1]})"
    return f".permute({', '.join(map(str, order))})"


def _in_place_of(call: FoundCall, text: str) -> tuple[Splice, ...]:
    """The view replaced by the permutation."""
    syntax, tensor = call.syntax, _tensor(call)
    start, end = syntax.whole_span(call.node)
    if is_method(call.subject):
        return (Splice(syntax.whole_span(tensor)[1], end, text),)
    return (Splice(start, end, f"{_as_object(syntax, tensor)}{text}"),)


def _in_front_of(call: FoundCall, text: str) -> tuple[Splice, ...]:
    """The view made a reshape of the permuted tensor, which is no longer contiguous."""
    syntax, tensor = call.syntax, _tensor(call)
    func: Any = call.node.func
    if not is_method(call.subject):
        return (syntax.replace(tensor, f"{_as_object(syntax, tensor)}{text}"),)
    at = syntax.whole_span(tensor)[1]
    named = () if func.attr.value == "reshape" else (syntax.replace(func.attr, "reshape"),)
    return (Splice(at, at, text), *named)


def _tensor(call: FoundCall) -> Any:
    """The tensor that is viewed: before the dot of a method, else the first argument."""
    cst, node = call.syntax.cst, call.node
    if is_method(call.subject):
        if not isinstance(node.func, cst.Attribute):
            raise NoEdit(f"{name_of(call.subject)} is not called as a method there")
        return node.func.value
    first = node.args[0] if node.args else None
    if first is None or first.star or first.keyword is not None:
        raise NoEdit(f"the tensor is not the first argument of {name_of(call.subject)}")
    return first.value


def _as_object(syntax: Syntax, node: Any) -> str:
    """The text of an expression that a method can be called on."""
    cst, text = syntax.cst, syntax.text(node)
    plain = isinstance(node, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)) or node.lpar
    return text if plain else f"({text})"


ACTIONS = (Action("permute", permute, arguments=("order",)),)
