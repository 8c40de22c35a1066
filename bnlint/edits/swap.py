"""``swap``: two consecutive layers, where they are listed or where forward calls them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bnlint.domain.graph import Op
from bnlint.edits import Action, Change, Job, NoEdit, Plan, built_by, call_of, same_place, syntax_at
from bnlint.edits.syntax import Splice, Syntax, are_apart, overlap

if TYPE_CHECKING:
    import libcst as cst


def swap(job: Job) -> Iterator[Plan]:
    """``first`` and ``second`` in each other's place."""
    first, second = job.layers["first"], job.layers["second"]
    if not isinstance(first, Op) or not isinstance(second, Op):
        raise NoEdit("one of the two is not called")
    if reader := _other_reader(job, first, second):
        raise NoEdit(f"{reader} reads what lies between the two")
    message = f"swap {first.layer} and {second.layer}"
    one, other = call_of(first), call_of(second)
    if one is not None and other is not None and not same_place(one, other):
        if one.path != other.path:
            raise NoEdit("the two are called in different files")
        syntax = job.syntax(one.path)
        splices = exchanged(wrapping(syntax, first), wrapping(syntax, second))
        called = {"first": one, "second": other}
        yield Plan(syntax.source.path, splices, message, Change(swapped=True), called=called)
        return
    syntax = syntax_at(job, first.construction, first)
    if second.construction is None or first.construction is None:
        raise NoEdit("one of the two is a function")
    if second.construction.path != first.construction.path:
        raise NoEdit("the two are built in different files")
    splices = _swapped_elements(syntax, element(syntax, first), element(syntax, second))
    built = {"first": first.construction, "second": second.construction}
    change = Change(swapped=True, renames=True)
    yield Plan(syntax.source.path, splices, message, change, built=built)


def _other_reader(job: Job, first: Op, second: Op) -> str:
    """The layer that reads a result between the two, which the swap would change; or nothing."""
    here = first
    while here is not second:
        following = job.view.successors(here)
        if len(following) != 1:
            return ", ".join(r.layer for r in following if r is not second) or first.layer
        here = following[0]
    return ""


def _swapped_elements(syntax: Syntax, first: Any, second: Any) -> tuple[Splice, ...]:
    one, other = syntax.whole_span(first), syntax.whole_span(second)
    splices = (Splice(*one, syntax.between(*other)), Splice(*other, syntax.between(*one)))
    if overlap(splices[:1], splices[1:]):
        raise NoEdit("both are built by one expression")
    return splices


def element(syntax: Syntax, op: Op) -> Any:
    """The element of a list that builds a layer: its call, or the pair of its name and its call."""
    node = built_by(syntax, op.construction, op)
    cst = syntax.cst
    above = list(syntax.above(node))
    if len(above) > 1 and isinstance(above[0], cst.Element) and isinstance(above[1], cst.Tuple):
        first = above[1].elements[0].value
        if len(above[1].elements) == 2 and isinstance(first, cst.SimpleString):
            return above[1]
    return node


@dataclass(frozen=True, slots=True)
class Wrapping:
    """A call, its function and its input; a ``method`` has the input before the dot."""

    syntax: Syntax
    node: cst.Call
    input: Any
    method: bool

    def around(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The spans before and after the input."""
        start, end = self.syntax.whole_span(self.node)
        inner_start, inner_end = self.syntax.whole_span(self.input)
        return (start, inner_start), (inner_end, end)

    def own(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The spans of the function and of its other arguments; not for a method."""
        last = self.node.args[-1]
        end = max(self.syntax.span(last)[1], self.syntax.whole_span(last.value)[1])
        return self.syntax.whole_span(self.node.func), (self.syntax.whole_span(self.input)[1], end)


def wrapping(syntax: Syntax, op: Op) -> Wrapping:
    """The call of ``op`` in the source; NoEdit if its input is not clear."""
    node = syntax.call_at(op.call)
    if node is None:
        raise NoEdit(f"the source has no call there of {op.layer}")
    method = bool(op.types) and op.types[0].startswith("torch.Tensor.")
    return Wrapping(syntax, node, _input(syntax, node, op), method)


def exchanged(first: Wrapping, second: Wrapping) -> tuple[Splice, ...]:
    """The splices that exchange what two calls do to their inputs; the calls may be nested.

    If both are called as functions, only functions and further arguments move, so that the lines
    and comments between them stay.
    """
    spans = [w.around() if first.method or second.method else w.own() for w in (first, second)]
    text = first.syntax.between
    splices = [
        splice
        for one, other in zip(*spans, strict=True)
        for splice in (Splice(one[0], one[1], text(*other)), Splice(other[0], other[1], text(*one)))
    ]
    if not are_apart(splices):
        raise NoEdit("the two calls are entangled")
    return tuple(s for s in splices if text(s.start, s.end) != s.text)


def is_direct(syntax: Syntax, op: Op) -> bool:
    """True where forward calls the layer itself, false for a member of a called Sequential."""
    node = syntax.call_at(op.call)
    if node is None:
        return False
    name = op.module.rpartition(".")[2]
    return isinstance(node.func, syntax.cst.Attribute) and node.func.attr.value == name


def _input(syntax: Syntax, node: cst.Call, op: Op) -> Any:
    cst = syntax.cst
    if op.types and op.types[0].startswith("torch.Tensor."):
        if not isinstance(node.func, cst.Attribute):
            raise NoEdit(f"{op.layer} is not called as a method there")
        return node.func.value
    first = node.args[0] if node.args else None
    if first is None or first.star or first.keyword is not None:
        raise NoEdit(f"the input of {op.layer} is not its first argument there")
    return first.value


ACTIONS = (Action("swap", swap, roles=("first", "second")),)
