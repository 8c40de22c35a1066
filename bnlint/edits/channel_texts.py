"""Texts that may hold a number of channels: those at the kernel whose output arrives."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from bnlint.domain.graph import Op, Subject
from bnlint.edits import Job, behind
from bnlint.edits.syntax import Syntax
from bnlint.layers.signatures import parameters_of

_NAMES = ("num_features", "num_channels")
_OUT = ("out_channels", "out_features")
_MOST = 4
"""The most expressions to try: each takes a proof."""


def other_expressions(
    job: Job, subject: Subject, syntax: Syntax, call: Any, name: str
) -> Iterator[str]:
    """Expressions that may hold the arriving channels, the most likely first.

    A number would be right for this model only; ``planes`` is right for all that share the line.
    """
    if name not in _NAMES or not isinstance(subject, Op):
        return
    found: dict[str, None] = {}
    for node, types in _producing_calls(job, subject, syntax, call):
        found.update(dict.fromkeys(_arguments(syntax, node, types)))
    parts = dict.fromkeys(_parts(syntax, call, name))
    yield from list(found)[:_MOST]
    yield from [text for text in parts if text not in found][:_MOST]


def _parts(syntax: Syntax, call: Any, name: str) -> list[str]:
    """The parts of the present expression, from the longest to the shortest."""
    cst = syntax.cst
    given = [a.value for a in call.args if (a.keyword.value if a.keyword else name) == name]
    kinds = (cst.Name, cst.Attribute, cst.BinaryOperation, cst.Call, cst.Subscript)
    if not given or isinstance(given[0], cst.Name):
        return []
    start, end = syntax.span(given[0])
    inside = [
        (span[0] - span[1], span[0], syntax.between(*span))
        for node in syntax.nodes(cst.BaseExpression)
        if isinstance(node, kinds) and node is not given[0]
        if start <= (span := syntax.span(node))[0] and span[1] <= end
    ]
    return [text for _, _, text in sorted(inside)]


def _producing_calls(
    job: Job, subject: Op, syntax: Syntax, call: Any
) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Calls in the same function that build the preceding kernel, directly or by a helper."""
    kernel = next((op for op in behind(job.view, subject) if "kernel" in op.tags), None)
    if kernel is None:
        return
    function = syntax.function_of(call)
    built = syntax.call_at(kernel.construction)
    built_here = built is not None and syntax.function_of(built) is function
    if built_here:
        yield built, kernel.types
    parent, _, attribute = kernel.module.rpartition(".")
    if parent == subject.module.rpartition(".")[0]:
        for value in _assigned(syntax, attribute, function):
            if isinstance(value, syntax.cst.Call) and value is not built:
                yield value, ()
    if not built_here:
        # A helper may build the kernel: the nearest call before.
        before = [
            (end, node)
            for node in syntax.nodes(syntax.cst.Call)
            if (end := syntax.span(node)[1]) <= syntax.span(call)[0]
            and len(node.args) > 1
            and syntax.function_of(node) is function
        ]
        if before:
            yield max(before, key=itemgetter(0))[1], ()


def _assigned(syntax: Syntax, attribute: str, function: Any) -> Iterator[Any]:
    """The values that ``self.<attribute>`` is set to in one function."""
    cst = syntax.cst
    for node in syntax.nodes(cst.Assign):
        targets = [t.target for t in node.targets]
        named = any(isinstance(t, cst.Attribute) and t.attr.value == attribute for t in targets)
        if named and syntax.function_of(node) is function:
            yield node.value


def _arguments(syntax: Syntax, call: Any, types: tuple[str, ...]) -> list[str]:
    """The output channels by their argument, or all arguments, the second first."""
    parameters = parameters_of(types[0]) if types else ()
    plain = [a for a in call.args if not a.star]
    out = next((p for p in _OUT if p in parameters), None)
    chosen = [*plain[1:2], *plain[:1], *plain[2:]]
    if out is not None:
        index = parameters.index(out)
        chosen = [
            arg
            for position, arg in enumerate(plain)
            if (arg.keyword.value == out if arg.keyword else position == index)
        ]
    return [syntax.text(arg.value) for arg in chosen]
