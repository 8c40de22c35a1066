"""``set-argument``, ``move-argument``, ``rename-call``: the call that builds a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bnlint.domain.graph import Location, ModuleInfo, Value
from bnlint.edits import Action, Change, Job, NoEdit, Plan, Subject, built_by, name_of, syntax_at
from bnlint.edits.channel_texts import other_expressions
from bnlint.edits.syntax import Splice, Syntax
from bnlint.layers.signatures import is_default, parameters_of

if TYPE_CHECKING:
    import libcst as cst

_FACTS = {
    "num_features": ("channels",),
    "num_channels": ("channels",),
    "inplace": ("inplace",),
    "bias": ("bias",),
    "eps": ("eps",),
    "momentum": ("momentum",),
    "affine": ("affine", "trainable"),
    "track_running_stats": ("tracks",),
}
"""Facts of a layer that depend on an argument; ``parameters`` always may."""


def set_argument(job: Job) -> Iterator[Plan]:
    """The argument ``name`` set to ``to``, by keyword or by position."""
    subject = job.layers["of"]
    name, to = str(job.arguments["name"]), job.arguments["to"]
    call = FoundCall(job, subject)
    for text in (*other_expressions(job, subject, call.syntax, call.node, name), literal(to)):
        splices = call.set(name, text, to)
        message = f"pass {name}={text}" if splices[0].text else f"leave out {name}"
        yield call.plan(splices, message, _FACTS.get(name, (name,)))


def move_argument(job: Job) -> Iterator[Plan]:
    """The argument ``name`` replaced by ``to=value``."""
    subject = job.layers["of"]
    name, to, value = (str(job.arguments["name"]), str(job.arguments["to"]), job.arguments["value"])
    call = FoundCall(job, subject)
    if call.find(to) is not None:
        raise NoEdit(f"{to} is given as well")
    old = call.find(name)
    if old is None:
        raise NoEdit(f"{name} is not given where {name_of(subject)} is built")
    if old.keyword is None and old is not call.node.args[-1]:
        following = call.node.args[call.node.args.index(old) + 1 :]
        if any(a.keyword is None for a in following):
            raise NoEdit(f"other arguments follow {name} by position")
    call.must_be_literal(name, old)
    text = f"{to}={literal(value)}"
    splice = Splice(*call.syntax.span(old), text)
    facts = (*_FACTS.get(name, (name,)), *_FACTS.get(to, (to,)))
    yield call.plan((splice,), f"pass {text} in place of {name}", facts)


def rename_call(job: Job) -> Iterator[Plan]:
    """The class in the call that builds the layer replaced, and imported if necessary."""
    subject, to = job.layers["of"], str(job.arguments["to"])
    found = FoundCall(job, subject)
    func, syntax = found.node.func, found.syntax
    old = subject.types[0].rpartition(".")[2]
    name = func.attr if isinstance(func, syntax.cst.Attribute) else func
    if not isinstance(name, syntax.cst.Name) or name.value != old:
        raise NoEdit(f"{old} goes by another name there: `{syntax.text(func)}`")
    splices = [Splice(*syntax.span(name), to)]
    if name is func:
        splices += _also_imported(syntax, old, to)
    plan = found.plan(tuple(splices), f"use {to} for {old}", ())
    yield Plan(plan.path, plan.splices, plan.message, Change(kind=True), plan.built, plan.called)


def _also_imported(syntax: Syntax, old: str, new: str) -> list[Splice]:
    """The import of ``new`` beside that of ``old``, unless it is imported already."""
    for statement in syntax.nodes(syntax.cst.ImportFrom):
        names: Any = statement.names
        if isinstance(names, syntax.cst.ImportStar):
            continue
        known = {alias.name.value for alias in names if alias.asname is None}
        if new in known:
            return []
        for alias in names:
            if alias.asname is None and alias.name.value == old:
                end = syntax.span(alias)[1] if alias.comma is None else syntax.span(alias.name)[1]
                return [Splice(end, end, f", {new}")]
    return []


class FoundCall:
    """The call that builds a layer, or that calls a function."""

    def __init__(self, job: Job, subject: Subject) -> None:
        self.subject = subject
        self.location = _place(subject)
        self.syntax: Syntax = syntax_at(job, self.location, subject)
        self.node: cst.Call = built_by(self.syntax, self.location, subject)
        self.parameters = parameters_of(subject.types[0]) if subject.types else ()

    def plan(self, splices: tuple[Splice, ...], message: str, facts: tuple[str, ...]) -> Plan:
        """The plan for splices of this call."""
        assert self.location is not None
        construction = isinstance(self.subject, ModuleInfo) or bool(self.subject.construction)
        places = {"of": self.location}
        return Plan(
            self.syntax.source.path,
            splices,
            message,
            Change(frozenset((*facts, "parameters"))),
            places if construction else {},
            {} if construction else places,
        )

    def find(self, name: str) -> cst.Arg | None:
        """The argument of that name, by keyword or by position; None if there is none.

        Raises
        ------
        NoEdit
            When ``*`` or ``**`` hides which arguments are passed.

        """
        args = self.node.args
        for arg in args:
            if arg.keyword is not None and arg.keyword.value == name:
                return arg
        if any(arg.star == "**" for arg in args):
            raise NoEdit("its arguments are forwarded with **, so they are not known here")
        index = self._index(name)
        leading = args if index is None else args[: index + 1]
        if any(arg.star == "*" for arg in leading):
            raise NoEdit("its arguments are forwarded with *, so they are not known here")
        if index is not None and index < len(args):
            arg = args[index]
            return arg if arg.keyword is None else None
        return None

    def _index(self, name: str) -> int | None:
        if name not in self.parameters:
            return None
        index = self.parameters.index(name)
        method = self.parameters[0] == "input" and not self._is_function()
        return index - 1 if method else index

    def _is_function(self) -> bool:
        """True for ``F.relu(x)``, false for ``x.relu()``."""
        types = self.subject.types
        return not (types and types[0].startswith("torch.Tensor."))

    def set(self, name: str, text: str, to: Value) -> tuple[Splice, ...]:
        """The splices that set the argument to ``text``; a default is left out."""
        arg = self.find(name)
        if arg is None:
            return self._append(f"{name}={text}")
        self.must_be_literal(name, arg, allow=text != literal(to))
        type_name = self.subject.types[0]
        if is_default(type_name, name, to) and (dropped := self._drop(arg)):
            return dropped
        return (Splice(*self.syntax.whole_span(arg.value), text),)

    def must_be_literal(self, name: str, arg: cst.Arg, allow: bool = False) -> None:
        """Raises NoEdit if the value is an expression and would be replaced by a number."""
        if allow or is_literal(self.syntax.cst, arg.value):
            return
        shown = self.syntax.text(arg.value)
        raise NoEdit(f"{name} is given as `{shown}`, which may be right for other callers")

    def _append(self, text: str) -> tuple[Splice, ...]:
        args = self.node.args
        if not args:
            end = self.syntax.span(self.node)[1] - 1
            return (Splice(end, end, text),)
        if len(args) == 1 and isinstance(args[0].value, self.syntax.cst.GeneratorExp):
            raise NoEdit("its only argument is a generator")
        if self._begins_line(args[0]) and self._begins_line(args[-1]):
            return self._append_line(args[-1], text)
        last = self._end(args[-1])
        return (Splice(last, last, f", {text}"),)

    def _append_line(self, last: cst.Arg, text: str) -> tuple[Splice, ...]:
        """A new line after the last argument and its comment."""
        source, end = self.syntax.source, self._end(last)
        line = source.place(end)[0]
        rest = source.line(line)
        stop = source.offset(line, len(rest.rstrip("\r\n")))
        new = f"{source.newline}{self.syntax.indentation(self.syntax.span(last)[0])}{text}"
        comma = self._comma(last)
        tail = source.text[end:stop].lstrip(" \t,")
        if tail and not tail.startswith("#"):
            return (Splice(end, end, f",{new}"),)
        if comma:
            return (Splice(stop, stop, f"{new},"),)
        if stop == end:
            return (Splice(end, end, f",{new}"),)
        return (Splice(end, end, ","), Splice(stop, stop, new))

    def _drop(self, arg: cst.Arg) -> tuple[Splice, ...]:
        """Removes an argument with its comma; nothing if a comment is in between."""
        args = self.node.args
        index = args.index(arg)
        if arg.keyword is None and any(a.keyword is None for a in args[index + 1 :]):
            return ()
        start, end = self.syntax.span(arg)[0], self._end(arg)
        if index > 0:
            start = self._end(args[index - 1])
        elif len(args) > 1:
            end = self.syntax.span(args[1])[0]
        elif self._comma(arg):
            end = self.syntax.span(arg.comma)[1]
        taken = self.syntax.between(start, end)
        return () if "#" in taken else (Splice(start, end, ""),)

    def _comma(self, arg: cst.Arg) -> bool:
        return isinstance(arg.comma, self.syntax.cst.Comma)

    def _end(self, arg: cst.Arg) -> int:
        return max(self.syntax.span(arg)[1], self.syntax.whole_span(arg.value)[1])

    def _begins_line(self, node: Any) -> bool:
        source, start = self.syntax.source, self.syntax.span(node)[0]
        line, column = source.place(start)
        return not source.line(line)[: column - 1].strip()


def _place(subject: Subject) -> Location | None:
    return subject.construction if isinstance(subject, ModuleInfo) else subject.location


def literal(value: Value) -> str:
    """The value as Python source."""
    return repr(value)


def is_literal(cst: Any, node: Any) -> bool:
    """True for numbers, strings, True, False and None, with a sign or not."""
    if isinstance(node, cst.UnaryOperation):
        return is_literal(cst, node.expression)
    if isinstance(node, cst.Name):
        return node.value in ("True", "False", "None")
    return isinstance(node, (cst.Integer, cst.Float, cst.SimpleString))


ACTIONS = (
    Action("set-argument", set_argument, arguments=("name", "to")),
    Action("move-argument", move_argument, arguments=("name", "to", "value")),
    Action("rename-call", rename_call, arguments=("to",)),
)
