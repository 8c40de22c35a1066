"""A call of a layer in forward, seen as what stands around its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bnlint.domain.graph import Op
from bnlint.fixes.plan import Refused
from bnlint.fixes.source import Splice, are_apart
from bnlint.fixes.syntax import Syntax

if TYPE_CHECKING:
    import libcst as cst


@dataclass(frozen=True, slots=True)
class Wrapping:
    """A call, its function and its input; ``method`` where the input stands before the dot."""

    syntax: Syntax
    node: cst.Call
    input: Any
    method: bool

    def around(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The spans before and behind the input."""
        start, end = self.syntax.whole_span(self.node)
        inner_start, inner_end = self.syntax.whole_span(self.input)
        return (start, inner_start), (inner_end, end)

    def own(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The spans of the function and of its other arguments; not for a method."""
        last = self.node.args[-1]
        end = max(self.syntax.span(last)[1], self.syntax.whole_span(last.value)[1])
        return self.syntax.whole_span(self.node.func), (self.syntax.whole_span(self.input)[1], end)


def wrapping(syntax: Syntax, op: Op) -> Wrapping:
    """The call of ``op`` in the source; raises Refused where its input is not plain to see."""
    node = syntax.call_at(op.call)
    if node is None:
        raise Refused(f"the source has no call there of {op.layer}")
    method = bool(op.types) and op.types[0].startswith("torch.Tensor.")
    return Wrapping(syntax, node, _input(syntax, node, op), method)


def exchanged(first: Wrapping, second: Wrapping) -> tuple[Splice, ...]:
    """What each call does to its input, given to the other; nested calls need nothing else.

    Only the functions and their other arguments move where both are called as functions, so that
    the lines and comments between them stay.
    """
    spans = [w.around() if first.method or second.method else w.own() for w in (first, second)]
    text = first.syntax.between
    splices = [
        splice
        for one, other in zip(*spans, strict=True)
        for splice in (
            Splice(one[0], one[1], text(*other)),
            Splice(other[0], other[1], text(*one)),
        )
    ]
    if not are_apart(splices):
        raise Refused("the two calls are entangled")
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
            raise Refused(f"{op.layer} is not called as a method there")
        return node.func.value
    first = node.args[0] if node.args else None
    if first is None or first.star or first.keyword is not None:
        raise Refused(f"the input of {op.layer} is not its first argument there")
    return first.value
