"""``swap`` and ``remove``: layers where they are listed, or where they are built and called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bnlint.domain.graph import ModuleInfo, Op, name_of
from bnlint.edits import (
    Action,
    Change,
    Job,
    NoEdit,
    Plan,
    built_by,
    is_method,
    is_numbered,
    same_place,
)
from bnlint.edits.syntax import Splice, Syntax, are_apart
from bnlint.graph.facts.submodules import layer_in_need

if TYPE_CHECKING:
    import libcst as cst

Span = tuple[int, int]


def swap(job: Job) -> Iterator[Plan]:
    """Two consecutive layers, ``first`` and ``second``, in each other's place."""
    first, second = job.layers["first"], job.layers["second"]
    if not isinstance(first, Op) or not isinstance(second, Op):
        raise NoEdit("one of the two is not called")
    if reader := _other_reader(job, first, second):
        raise NoEdit(f"{reader} reads what lies between the two")
    message = f"swap {first.layer} and {second.layer}"
    if first.call and second.call and not same_place(first.call, second.call):
        if first.call.path != second.call.path:
            raise NoEdit("the two are called in different files")
        syntax = job.syntax(first.call.path)
        splices = exchanged(wrapping(syntax, first), wrapping(syntax, second))
        called = {"first": first.call, "second": second.call}
        change = Change(swapped=True, renames=is_numbered(first) or is_numbered(second))
        yield Plan(syntax.source.path, splices, message, change, called=called)
        return
    syntax = job.syntax_at(first.construction, first)
    if second.construction is None or first.construction is None:
        raise NoEdit("one of the two is a function")
    if second.construction.path != first.construction.path:
        raise NoEdit("the two are built in different files")
    one, other = (syntax.whole_span(element(syntax, op)) for op in (first, second))
    splices = (Splice(*one, syntax.between(*other)), Splice(*other, syntax.between(*one)))
    if not are_apart(splices):
        raise NoEdit("both are built by one expression")
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

    def around(self) -> tuple[Span, Span]:
        """The spans before and after the input."""
        start, end = self.syntax.whole_span(self.node)
        inner_start, inner_end = self.syntax.whole_span(self.input)
        return (start, inner_start), (inner_end, end)

    def own(self) -> tuple[Span, Span]:
        """The spans of the function and of its other arguments; not for a method."""
        end = self.syntax.end_of(self.node.args[-1])
        return self.syntax.whole_span(self.node.func), (self.syntax.whole_span(self.input)[1], end)


def wrapping(syntax: Syntax, op: Op) -> Wrapping:
    """The call of ``op`` in the source; NoEdit if its input is not clear."""
    node = syntax.call_at(op.call)
    if node is None:
        raise NoEdit(f"the source has no call there of {op.layer}")
    if is_method(op):
        if not isinstance(node.func, syntax.cst.Attribute):
            raise NoEdit(f"{op.layer} is not called as a method there")
        return Wrapping(syntax, node, node.func.value, True)
    first = node.args[0] if node.args else None
    if first is None or first.star or first.keyword is not None:
        raise NoEdit(f"the input of {op.layer} is not its first argument there")
    return Wrapping(syntax, node, first.value, False)


def exchanged(first: Wrapping, second: Wrapping) -> tuple[Splice, ...]:
    """The splices that exchange what two calls do to their inputs; the calls may be nested.

    If both are called as functions, only functions and further arguments move, so that the lines
    and comments between them stay.
    """
    spans = [w.around() if first.method or second.method else w.own() for w in (first, second)]
    text = first.syntax.between
    splices = [
        splice
        for one, other in zip(spans[0], spans[1], strict=True)
        for splice in (Splice(*one, text(*other)), Splice(*other, text(*one)))
    ]
    if not are_apart(splices):
        raise NoEdit("the two calls are entangled")
    return tuple(s for s in splices if text(s.start, s.end) != s.text)


def remove(job: Job) -> Iterator[Plan]:
    """An unnecessary layer removed: what builds it, and its call if forward calls it directly."""
    subject = job.layers["of"]
    if isinstance(subject, ModuleInfo) and (kernel := layer_in_need(job.view, subject)):
        raise NoEdit(f"`{kernel}` has no norm, and this one may be meant for it (BN102)")
    syntax, node, place = job.built_at(subject.construction, subject)
    statement = _assignment(syntax, node)
    listed = statement is None
    splices = _element_removed(syntax, node) if listed else statement_removed(syntax, statement)
    called = {}
    if isinstance(subject, Op) and not listed:
        splices += _call_removed(syntax, subject)
        if subject.call is not None:
            called = {"of": subject.call}
    message, change = f"remove {name_of(subject)}", Change(removed=True, renames=listed)
    yield Plan(syntax.source.path, splices, message, change, built={"of": place}, called=called)


def _call_removed(syntax: Syntax, op: Op) -> tuple[Splice, ...]:
    """The call of a registered layer replaced by its input."""
    cst, node = syntax.cst, syntax.call_at(op.call)
    func = node.func if node else None
    if not isinstance(func, cst.Attribute) or func.attr.value != op.module.rpartition(".")[2]:
        # Forward calls a Sequential that holds the layer, for example.
        raise NoEdit(f"the call of {op.layer} is not plain to see")
    return input_kept(wrapping(syntax, op))


def input_kept(found: Wrapping) -> tuple[Splice, ...]:
    """A call replaced by its input; a statement that would become ``x = x`` is removed."""
    syntax, cst = found.syntax, found.syntax.cst
    above = syntax.parent(found.node)
    if isinstance(above, cst.Assign) and len(above.targets) == 1:
        line = syntax.parent(above)
        same = syntax.text(above.targets[0].target) == syntax.text(found.input)
        if same and isinstance(line, cst.SimpleStatementLine):
            return statement_removed(syntax, line)
    return tuple(Splice(*span, "") for span in found.around())


def _assignment(syntax: Syntax, node: Any) -> Any | None:
    """The statement ``self.x = <node>``; None where the value is part of something bigger."""
    cst = syntax.cst
    above = syntax.parent(node)
    if not isinstance(above, cst.Assign) or len(above.targets) != 1:
        return None
    named = isinstance(above.targets[0].target, (cst.Attribute, cst.Name))
    return syntax.parent(above) if named else None


def statement_removed(syntax: Syntax, statement: Any) -> tuple[Splice, ...]:
    """The lines of a statement removed; ``pass`` is left where its block would be empty."""
    cst = syntax.cst
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        raise NoEdit("there are other statements on the same line")
    start, end = syntax.span(statement.body[0])
    block = syntax.parent(statement)
    if isinstance(block, cst.IndentedBlock) and len(block.body) == 1:
        return (Splice(start, end, "pass"),)
    return (Splice(*syntax.source.whole_lines(start, end), ""),)


def _element_removed(syntax: Syntax, node: Any) -> tuple[Splice, ...]:
    """An element of a list or call removed, or the statement that appends it."""
    cst = syntax.cst
    item = syntax.parent(node)
    if isinstance(item, cst.Element) and isinstance(syntax.parent(item), cst.Tuple):
        pair = syntax.parent(item)
        if len(pair.elements) != 2 or pair.elements[1] is not item:
            raise NoEdit("it is in a tuple")
        item = syntax.parent(pair)
    holder = syntax.parent(item)
    items = holder.args if isinstance(holder, cst.Call) else getattr(holder, "elements", ())
    if not isinstance(item, (cst.Arg, cst.Element)) or isinstance(holder, cst.Tuple):
        raise NoEdit("it is part of an expression")
    if (statement := _appending(syntax, holder)) is not None:
        return statement_removed(syntax, statement)
    if len(items) == 1:
        raise NoEdit("it is the only one in its list")
    return (Splice(*_span_of_item(syntax, item, list(items)), ""),)


def _appending(syntax: Syntax, holder: Any) -> Any | None:
    """The statement ``layers.append(X)`` or ``self.add_module("name", X)``."""
    cst = syntax.cst
    if not isinstance(holder, cst.Call) or not isinstance(holder.func, cst.Attribute):
        return None
    if holder.func.attr.value not in ("append", "add_module", "register_module"):
        return None
    expression = syntax.parent(holder)
    return syntax.parent(expression) if isinstance(expression, cst.Expr) else None


def _span_of_item(syntax: Syntax, item: Any, items: list[Any]) -> Span:
    """From an item to the next one; whole lines if nothing else is on them."""
    source, index, comma = syntax.source, items.index(item), syntax.comma_of(item)
    start, end = syntax.whole_span(item.value)
    if comma:
        end = comma[1]
    whole = source.whole_lines(start, end)
    before, after = syntax.between(whole[0], start), syntax.between(end, whole[1])
    if not before.strip() and not after.partition("#")[0].strip():
        return whole
    if index + 1 < len(items):
        span = start, syntax.span(items[index + 1])[0]
    else:
        span = syntax.end_of(items[index - 1]), comma[0] if comma else end
    if "#" in syntax.between(*span).replace(syntax.text(item.value), ""):
        raise NoEdit("a comment is next to it")
    return span


ACTIONS = (Action("swap", swap, roles=("first", "second")), Action("remove", remove))
