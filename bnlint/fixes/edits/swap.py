"""``swap``: two layers that follow each other, where they are listed or where they are called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bnlint.domain.graph import Op
from bnlint.fixes.edits.calls import exchanged, wrapping
from bnlint.fixes.plan import Change, Job, Plan, Refused, call_of, name_of, same_place, syntax_at
from bnlint.fixes.source import Splice, overlap
from bnlint.fixes.syntax import Syntax


def swap(job: Job) -> Iterator[Plan]:
    """``first`` and ``second`` in each other's place."""
    first, second = job.layers["first"], job.layers["second"]
    if not isinstance(first, Op) or not isinstance(second, Op):
        raise Refused("one of the two is not called")
    if reader := _other_reader(job, first, second):
        raise Refused(f"{reader} reads what lies between the two")
    message = f"swap {first.layer} and {second.layer}"
    one, other = call_of(first), call_of(second)
    if one is not None and other is not None and not same_place(one, other):
        if one.path != other.path:
            raise Refused("the two are called in different files")
        syntax = job.syntax(one.path)
        splices = exchanged(wrapping(syntax, first), wrapping(syntax, second))
        called = {"first": one, "second": other}
        yield Plan(syntax.source.path, splices, message, Change(swapped=True), called=called)
        return
    syntax = syntax_at(job, first.construction, first)
    if second.construction is None or first.construction is None:
        raise Refused("one of the two is a function")
    if second.construction.path != first.construction.path:
        raise Refused("the two are built in different files")
    splices = _swapped_elements(syntax, element(syntax, first), element(syntax, second))
    built = {"first": first.construction, "second": second.construction}
    change = Change(swapped=True, renames=True)
    yield Plan(syntax.source.path, splices, message, change, built=built)


def _other_reader(job: Job, first: Op, second: Op) -> str:
    """The layer that reads a result between the two, which the swap would change; or nothing."""
    ops = {op.id: op for op in job.graph.ops}
    readers: dict[str, list[str]] = {}
    for edge in job.graph.edges:
        readers.setdefault(edge.source, []).append(edge.target)
    here = first.id
    while here != second.id:
        following = readers.get(here, [])
        if len(following) != 1:
            return ", ".join(ops[r].layer for r in following if r != second.id) or first.layer
        here = following[0]
    return ""


def _swapped_elements(syntax: Syntax, first: Any, second: Any) -> tuple[Splice, ...]:
    one, other = syntax.whole_span(first), syntax.whole_span(second)
    splices = (
        Splice(*one, syntax.between(*other)),
        Splice(*other, syntax.between(*one)),
    )
    if overlap(splices[:1], splices[1:]):
        raise Refused("both are built by one expression")
    return splices


def element(syntax: Syntax, op: Op) -> Any:
    """What stands in the list for a layer: its call, with its name where a pair gives one."""
    node = syntax.call_at(op.construction)
    if node is None:
        raise Refused(f"the source has no call there that builds {name_of(op)}")
    cst = syntax.cst
    above = list(syntax.above(node))
    if len(above) > 1 and isinstance(above[0], cst.Element) and isinstance(above[1], cst.Tuple):
        first = above[1].elements[0].value
        if len(above[1].elements) == 2 and isinstance(first, cst.SimpleString):
            return above[1]
    return node
