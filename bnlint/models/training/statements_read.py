"""The statements of training code, in order: names are bound, branches joined, functions run."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from bnlint.models.training import expressions_read
from bnlint.models.training.code_values import (
    UNCLEAR,
    CodeDefinition,
    CodeObject,
    ModelObject,
    ModelResult,
    Several,
    Values,
)
from bnlint.models.training.loss_names import WITHOUT_GRADIENTS
from bnlint.models.training.reading_state import Frame, ReadCall, ReadingState, is_clear, joined

_ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def read_body(body: Iterable[ast.stmt], frame: Frame, state: ReadingState) -> bool:
    """Read statements in their order; false if what follows them does not run."""
    for node in body:
        reader = _READERS.get(type(node), _expressions_in)
        goes_on = reader(node, frame, state)
        if isinstance(node, _ENDS) or goes_on is False:
            return False
    return True


def run(
    definition: CodeDefinition, call: ReadCall | None, frame: Frame, state: ReadingState
) -> Values:
    """The values that a function returns for the arguments of a call; unknown ones without it."""
    node = definition.node
    if isinstance(node, ast.ClassDef) or not state.may_enter(node):
        return UNCLEAR
    state.read.add(id(node))
    inner = Frame(definition.script, _arguments(definition, call))
    inner.without_gradients = frame.without_gradients or any(map(_disables, node.decorator_list))
    state.active.append(id(node))
    try:
        read_body(node.body, inner, state)
    finally:
        state.active.pop()
    return inner.returned or UNCLEAR


def _arguments(definition: CodeDefinition, call: ReadCall | None) -> dict[str, Values]:
    """The values of the parameters by name."""
    node = definition.node
    assert not isinstance(node, ast.ClassDef)
    every = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    named = [a.arg for a in node.args.kwonlyargs]
    rest = [a.arg for a in (node.args.vararg, node.args.kwarg) if a is not None]
    found: dict[str, Values] = dict.fromkeys((*every, *named, *rest), UNCLEAR)
    if definition.bound is not None and every:
        found[every.pop(0)] = frozenset((definition.bound,))
    if call is not None:
        starred = any(isinstance(a, ast.Starred) for a in call.node.args)
        found |= {} if starred else dict(zip(every, call.args, strict=False))
        found |= {name: values for name, values in call.kwargs if name in found}
    return found


def _assign(node: ast.Assign, frame: Frame, state: ReadingState) -> None:
    values = expressions_read.value_of(node.value, frame, state)
    for target in node.targets:
        bind(target, values, frame, state)


def _annotated(node: ast.AnnAssign, frame: Frame, state: ReadingState) -> None:
    if node.value is not None:
        bind(node.target, expressions_read.value_of(node.value, frame, state), frame, state)


def _augmented(node: ast.AugAssign, frame: Frame, state: ReadingState) -> None:
    expressions_read.value_of(node.value, frame, state)
    bind(node.target, UNCLEAR, frame, state)


def bind(target: ast.expr, values: Values, frame: Frame, state: ReadingState) -> None:
    """Give a value to a name, an attribute, or the parts of a tuple."""
    if isinstance(target, ast.Name):
        own = target.id in frame.script.instances and frame.names is frame.script.names
        if own and not is_clear(values):
            values = frozenset((ModelObject(target.id),))
        frame.names[target.id] = values
    elif isinstance(target, ast.Attribute):
        for owner in expressions_read.value_of(target.value, frame, state):
            if isinstance(owner, (ModelObject, CodeObject)):
                state.set_attribute(owner, target.attr, values)
    elif isinstance(target, (ast.Tuple, ast.List)):
        starred = any(isinstance(part, ast.Starred) for part in target.elts)
        for n, part in enumerate(target.elts):
            inner = part.value if isinstance(part, ast.Starred) else part
            bind(inner, UNCLEAR if starred else _part(values, n), frame, state)


def _part(values: Values, n: int) -> Values:
    """The item of a tuple at a position."""
    found: list[Values] = []
    for value in values:
        if isinstance(value, Several):
            found.append(value.at(str(n)))
        elif isinstance(value, ModelResult):
            found.append(
                frozenset((ModelResult(value.model, (*value.path, str(n)), value.applied),))
            )
        else:
            found.append(UNCLEAR)
    return joined(*found) if found else UNCLEAR


def _returned(node: ast.Return, frame: Frame, state: ReadingState) -> None:
    frame.returned = joined(frame.returned, expressions_read.value_of(node.value, frame, state))


def _if(node: ast.If, frame: Frame, state: ReadingState) -> bool:
    expressions_read.value_of(node.test, frame, state)
    return _ways(frame, state, node.body, node.orelse)


def _loop(node: Any, frame: Frame, state: ReadingState) -> None:
    if isinstance(node, (ast.For, ast.AsyncFor)):
        expressions_read.value_of(node.iter, frame, state)
        bind(node.target, UNCLEAR, frame, state)
    else:
        expressions_read.value_of(node.test, frame, state)
    _ways(frame, state, node.body, [])
    read_body(node.orelse, frame, state)


def _try(node: Any, frame: Frame, state: ReadingState) -> None:
    _ways(frame, state, [*node.body, *node.orelse], *(h.body for h in node.handlers))
    read_body(node.finalbody, frame, state)


def _ways(frame: Frame, state: ReadingState, *bodies: list[ast.stmt]) -> bool:
    """Read each of several ways from here, and join what they leave; false if none goes on."""
    ends = []
    for body in bodies:
        branch = frame.branch()
        if read_body(body, branch, state):
            ends.append(branch)
        frame.returned = joined(frame.returned, branch.returned)
    for name in {name for end in ends for name in end.names}:
        found = [end.names[name] for end in ends if name in end.names]
        frame.names[name] = joined(*found)
    return bool(ends)


def _with(node: Any, frame: Frame, state: ReadingState) -> bool:
    before = frame.without_gradients
    for item in node.items:
        values = expressions_read.value_of(item.context_expr, frame, state)
        frame.without_gradients |= _disables(item.context_expr)
        if item.optional_vars is not None:
            bind(item.optional_vars, values, frame, state)
    goes_on = read_body(node.body, frame, state)
    frame.without_gradients = before
    return goes_on


def _disables(node: ast.expr) -> bool:
    """Whether a context or a decorator disables gradients."""
    call = node if isinstance(node, ast.Call) else None
    func = node.func if isinstance(node, ast.Call) else node
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if name == "set_grad_enabled" and call is not None and call.args:
        return isinstance(call.args[0], ast.Constant) and call.args[0].value is False
    return name in WITHOUT_GRADIENTS


def _skip(node: ast.stmt, frame: Frame, state: ReadingState) -> None:
    """Nothing is done by a definition or an import; a function inside of another is a name."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and state.active:
        frame.names[node.name] = frozenset((CodeDefinition(frame.script, node),))


def _match(node: ast.Match, frame: Frame, state: ReadingState) -> bool:
    expressions_read.value_of(node.subject, frame, state)
    return _ways(frame, state, *(case.body for case in node.cases), [])


def _expressions_in(node: ast.stmt, frame: Frame, state: ReadingState) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            expressions_read.value_of(child, frame, state)


_READERS: dict[type, Any] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Return: _returned,
    ast.If: _if,
    ast.For: _loop,
    ast.AsyncFor: _loop,
    ast.While: _loop,
    ast.Try: _try,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Match: _match,
    ast.FunctionDef: _skip,
    ast.AsyncFunctionDef: _skip,
    ast.ClassDef: _skip,
    ast.Import: _skip,
    ast.ImportFrom: _skip,
}
