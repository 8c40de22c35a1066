"""``remove``: an unnecessary layer, where it is listed, or where it is built and called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bnlint.domain.graph import Op
from bnlint.edits import Action, Change, Job, NoEdit, Plan, built_by, name_of, syntax_at
from bnlint.edits.swap import is_direct, wrapping
from bnlint.edits.syntax import Splice, Syntax


def remove(job: Job) -> Iterator[Plan]:
    """The layer removed: what builds it, and its call if forward calls it directly."""
    subject = job.layers["of"]
    place = subject.construction
    syntax = syntax_at(job, place, subject)
    node = built_by(syntax, place, subject)
    assert place is not None
    statement = assignment(syntax, node)
    listed = statement is None
    splices = element_removed(syntax, node) if listed else statement_removed(syntax, statement)
    called = {}
    if isinstance(subject, Op) and not listed:
        splices += _call_removed(syntax, subject)
        if subject.call is not None:
            called = {"of": subject.call}
    message, change = f"remove {name_of(subject)}", Change(removed=True, renames=listed)
    yield Plan(syntax.source.path, splices, message, change, built={"of": place}, called=called)


def _call_removed(syntax: Syntax, op: Op) -> tuple[Splice, ...]:
    """The call replaced by its input; a statement that would become ``x = x`` is removed."""
    if not is_direct(syntax, op):
        raise NoEdit(f"the call of {op.layer} is not plain to see")
    found = wrapping(syntax, op)
    cst = syntax.cst
    above = syntax.parent(found.node)
    if isinstance(above, cst.Assign) and len(above.targets) == 1:
        line = syntax.parent(above)
        same = syntax.text(above.targets[0].target) == syntax.text(found.input)
        if same and isinstance(line, cst.SimpleStatementLine):
            return statement_removed(syntax, line)
    return tuple(Splice(*span, "") for span in found.around())


def assignment(syntax: Syntax, node: Any) -> Any | None:
    """The statement ``self.x = <node>``; None where the value is part of something bigger."""
    cst = syntax.cst
    above = syntax.parent(node)
    if not isinstance(above, cst.Assign) or len(above.targets) != 1:
        return None
    if not isinstance(above.targets[0].target, (cst.Attribute, cst.Name)):
        return None
    return syntax.parent(above)


def statement_removed(syntax: Syntax, statement: Any) -> tuple[Splice, ...]:
    """The lines of a statement removed; ``pass`` is left where its block would be empty."""
    cst, source = syntax.cst, syntax.source
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        raise NoEdit("other statements stand on the same line")
    start, end = syntax.span(statement.body[0])
    block = syntax.parent(statement)
    if isinstance(block, cst.IndentedBlock) and len(block.body) == 1:
        return (Splice(start, end, "pass"),)
    return (Splice(*_lines(syntax, start, end), ""),) if source.text else ()


def element_removed(syntax: Syntax, node: Any) -> tuple[Splice, ...]:
    """An element of a list or call removed, or the statement that appends it."""
    cst = syntax.cst
    item = syntax.parent(node)
    if isinstance(item, cst.Element) and isinstance(syntax.parent(item), cst.Tuple):
        pair = syntax.parent(item)
        if len(pair.elements) != 2 or pair.elements[1] is not item:
            raise NoEdit("it stands in a tuple")
        item = syntax.parent(pair)
    holder = syntax.parent(item)
    items = holder.args if isinstance(holder, cst.Call) else getattr(holder, "elements", ())
    if not isinstance(item, (cst.Arg, cst.Element)) or isinstance(holder, cst.Tuple):
        raise NoEdit("it is part of an expression")
    statement = _appending(syntax, holder)
    if statement is not None:
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


def _span_of_item(syntax: Syntax, item: Any, items: list[Any]) -> tuple[int, int]:
    """From an item to the next one; whole lines if nothing else is on them."""
    source, index = syntax.source, items.index(item)
    start, end = syntax.whole_span(item.value)
    if isinstance(item.comma, syntax.cst.Comma):
        end = syntax.span(item.comma)[1]
    whole = _lines(syntax, start, end)
    around = (source.text[whole[0] : start], source.text[end : whole[1]])
    if not around[0].strip() and not around[1].partition("#")[0].strip():
        return whole
    if index + 1 < len(items):
        span = start, syntax.span(items[index + 1])[0]
    else:
        before = items[index - 1]
        span = max(syntax.span(before)[1], syntax.whole_span(before.value)[1]), end
        if isinstance(item.comma, syntax.cst.Comma):
            span = span[0], syntax.span(item.comma)[0]
    if "#" in syntax.between(*span).replace(syntax.text(item.value), ""):
        raise NoEdit("a comment stands beside it")
    return span


def _lines(syntax: Syntax, start: int, end: int) -> tuple[int, int]:
    """The whole lines between two offsets, with their ends."""
    source = syntax.source
    first, last = source.place(start)[0], source.place(end)[0]
    begin = source.starts[first - 1]
    return begin, begin + sum(len(source.line(n)) for n in range(first, last + 1))


ACTIONS = (Action("remove", remove),)
