"""``set-argument``, ``move-argument``, ``rename-call``: the call that builds a layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bnlint.domain.graph import ModuleInfo, Subject, Value, name_of
from bnlint.edits import Action, Change, Job, NoEdit, Plan, is_method
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
    for text in (*other_expressions(job, subject, call.syntax, call.node, name), repr(to)):
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
    following = call.node.args[call.node.args.index(old) + 1 :]
    if old.keyword is None and any(a.keyword is None for a in following):
        raise NoEdit(f"other arguments follow {name} by position")
    call.must_be_literal(name, old)
    text = f"{to}={value!r}"
    splice = Splice(*call.syntax.span(old), text)
    facts = (*_FACTS.get(name, (name,)), *_FACTS.get(to, (to,)))
    yield call.plan((splice,), f"pass {text} in place of {name}", facts)


def rename_call(job: Job) -> Iterator[Plan]:
    """The class in the call that builds the layer replaced, and imported if necessary."""
    to, found = str(job.arguments["to"]), FoundCall(job, job.layers["of"])
    old = found.subject.types[0].rpartition(".")[2]
    plan = found.plan(renamed(found, to), f"use {to} for {old}", ())
    yield replace(plan, change=Change(kind=True))


def renamed(found: FoundCall, to: str) -> tuple[Splice, ...]:
    """The splices for another class or function of the same module, imported if necessary."""
    func, syntax = found.node.func, found.syntax
    old = found.subject.types[0].rpartition(".")[2]
    name = func.attr if isinstance(func, syntax.cst.Attribute) else func
    if not isinstance(name, syntax.cst.Name) or name.value != old:
        raise NoEdit(f"{old} goes by another name there: `{syntax.text(func)}`")
    imported = _also_imported(syntax, old, to) if name is func else []
    return (Splice(*syntax.span(name), to), *imported)


def _also_imported(syntax: Syntax, old: str, new: str) -> list[Splice]:
    """The import of ``new`` beside that of ``old``, unless it is imported already."""
    for statement in syntax.nodes(syntax.cst.ImportFrom):
        if isinstance(statement.names, syntax.cst.ImportStar):
            continue
        names = {a.evaluated_name: a for a in statement.names if a.asname is None}
        if new in names:
            return []
        if alias := names.get(old):
            end = syntax.span(alias.name)[1]
            return [Splice(end, end, f", {new}")]
    return []


class FoundCall:
    """The call that builds a layer, or that calls a function."""

    def __init__(self, job: Job, subject: Subject) -> None:
        self.subject = subject
        place = subject.construction if isinstance(subject, ModuleInfo) else subject.location
        self.syntax, self.node, self.location = job.built_at(place, subject)
        self.parameters = parameters_of(subject.types[0]) if subject.types else ()

    def plan(self, splices: tuple[Splice, ...], message: str, facts: tuple[str, ...]) -> Plan:
        """The plan for splices of this call."""
        change, places = Change(frozenset((*facts, "parameters"))), {"of": self.location}
        path = self.syntax.source.path
        if self.subject.construction:
            return Plan(path, splices, message, change, built=places)
        return Plan(path, splices, message, change, called=places)

    def find(self, name: str) -> cst.Arg | None:
        """The argument of that name, by keyword or by position; None if there is none.

        NoEdit where ``*`` or ``**`` hides which arguments are passed.
        """
        args = self.node.args
        for arg in args:
            if arg.keyword is not None and arg.keyword.value == name:
                return arg
        if any(arg.star == "**" for arg in args):
            raise NoEdit("its arguments are forwarded with **, so they are not known here")
        index = self.parameters.index(name) if name in self.parameters else len(args)
        if name in self.parameters and self.parameters[0] == "input" and is_method(self.subject):
            index -= 1
        if any(arg.star == "*" for arg in args[: index + 1]):
            raise NoEdit("its arguments are forwarded with *, so they are not known here")
        return args[index] if index < len(args) and args[index].keyword is None else None

    def set(self, name: str, text: str, to: Value) -> tuple[Splice, ...]:
        """The splices that set the argument to ``text``; a default is left out."""
        arg = self.find(name)
        if arg is None:
            return self._append(f"{name}={text}")
        if text == repr(to):
            self.must_be_literal(name, arg)
        if is_default(self.subject.types[0], name, to) and (dropped := self._drop(arg)):
            return dropped
        return (Splice(*self.syntax.whole_span(arg.value), text),)

    def must_be_literal(self, name: str, arg: cst.Arg) -> None:
        """Raises NoEdit if the value is an expression and would be replaced by a number."""
        if not _is_literal(self.syntax.cst, arg.value):
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
        last = self.syntax.end_of(args[-1])
        return (Splice(last, last, f", {text}"),)

    def _append_line(self, last: cst.Arg, text: str) -> tuple[Splice, ...]:
        """A new line after the last argument and its comment."""
        source, end = self.syntax.source, self.syntax.end_of(last)
        line = source.place(end)[0]
        stop = source.offset(line, len(source.line(line).rstrip("\r\n")))
        new = f"{source.newline}{self.syntax.indentation(self.syntax.span(last)[0])}{text}"
        tail = source.text[end:stop].lstrip(" \t,")
        if tail and not tail.startswith("#"):
            return (Splice(end, end, f",{new}"),)
        if self.syntax.comma_of(last):
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
        start, end = self.syntax.span(arg)[0], self.syntax.end_of(arg)
        if index > 0:
            start = self.syntax.end_of(args[index - 1])
        elif len(args) > 1:
            end = self.syntax.span(args[1])[0]
        elif comma := self.syntax.comma_of(arg):
            end = comma[1]
        return () if "#" in self.syntax.between(start, end) else (Splice(start, end, ""),)

    def _begins_line(self, node: Any) -> bool:
        start = self.syntax.span(node)[0]
        line = self.syntax.source.whole_lines(start, start)[0]
        return not self.syntax.between(line, start).strip()


def _is_literal(cst: Any, node: Any) -> bool:
    """True for numbers, strings, True, False and None, with a sign or not."""
    if isinstance(node, cst.UnaryOperation):
        return _is_literal(cst, node.expression)
    if isinstance(node, cst.Name):
        return node.value in ("True", "False", "None")
    return isinstance(node, (cst.Integer, cst.Float, cst.SimpleString))


ACTIONS = (
    Action("set-argument", set_argument, arguments=("name", "to")),
    Action("move-argument", move_argument, arguments=("name", "to", "value")),
    Action("rename-call", rename_call, arguments=("to",)),
)
