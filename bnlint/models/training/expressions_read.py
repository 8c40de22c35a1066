"""The values of expressions in training code."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from bnlint.layers.losses import FUNCTIONS
from bnlint.models.training.code_values import (
    NOTHING,
    UNCLEAR,
    ActivationFunction,
    CodeDefinition,
    CodeObject,
    LossFunction,
    ModelObject,
    ModelResult,
    Several,
    Values,
)
from bnlint.models.training.loss_names import ACTIVATIONS
from bnlint.models.training.reading_state import Frame, ReadingState, joined

_SCALES = (ast.Add, ast.Sub, ast.Mult, ast.Div)


def value_of(node: ast.expr | None, frame: Frame, state: ReadingState) -> Values:
    """The values that an expression may have."""
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return NOTHING
    if not state.step():
        return UNCLEAR
    reader = _READERS.get(type(node))
    return _others(node, frame, state) if reader is None else reader(node, frame, state)


def _name(node: ast.Name, frame: Frame, state: ReadingState) -> Values:
    for names in (frame.names, frame.script.names):
        if node.id in names:
            return names[node.id]
    if (found := frame.script.defined(node.id)) is not None:
        return frozenset((found,))
    full = frame.script.full_name(node)
    if (function := _function_of_torch(full)) is not None:
        return function
    imported = state.imported(full, frame.script) if full else None
    return UNCLEAR if imported is None else frozenset((imported,))


def _function_of_torch(full: str) -> Values | None:
    """A loss or an activation that is named and not called: ``criterion = F.cross_entropy``."""
    name = full.rpartition(".")[2] if full.startswith("torch.") else ""
    if name in FUNCTIONS:
        return frozenset((LossFunction(name),))
    if name in ACTIVATIONS and name.islower():
        return frozenset((ActivationFunction(ACTIVATIONS[name]),))
    return None


def _attribute(node: ast.Attribute, frame: Frame, state: ReadingState) -> Values:
    if (function := _function_of_torch(frame.script.full_name(node))) is not None:
        return function
    found = [of_attribute(v, node.attr, state) for v in value_of(node.value, frame, state)]
    return joined(*found) if found else UNCLEAR


def of_attribute(owner: Any, name: str, state: ReadingState) -> Values:
    """The values of an attribute or a method of one value."""
    if isinstance(owner, ModelResult):
        same = name in ("data", "T", "mT")
        return frozenset((owner if same else replace(owner, path=(*owner.path, name)),))
    if isinstance(owner, ModelObject) and name == "module":
        return frozenset((owner,))
    if isinstance(owner, (ModelObject, CodeObject)):
        method = _method(owner, name)
        return state.attribute(owner, name) if method is None else frozenset((method,))
    return owner.at(name) if isinstance(owner, Several) else UNCLEAR


def _method(owner: ModelObject | CodeObject, name: str) -> CodeDefinition | None:
    if not isinstance(owner, CodeObject):
        return None
    node = owner.definition.methods().get(name)
    return None if node is None else CodeDefinition(owner.definition.script, node, owner)


def _subscript(node: ast.Subscript, frame: Frame, state: ReadingState) -> Values:
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if isinstance(node.slice, ast.UnaryOp) and isinstance(node.slice.operand, ast.Constant):
        key = f"-{node.slice.operand.value!r}"
    else:
        value_of(node.slice, frame, state)
    found = [_item(v, key) for v in value_of(node.value, frame, state)]
    return joined(*found) if found else UNCLEAR


def _item(owner: Any, key: Any) -> Values:
    if isinstance(owner, ModelResult):
        plain = isinstance(key, (int, str)) and not isinstance(key, bool)
        return frozenset((replace(owner, path=(*owner.path, str(key) if plain else ":")),))
    return owner.at(str(key)) if isinstance(owner, Several) else UNCLEAR


def _sequence(node: ast.Tuple | ast.List, frame: Frame, state: ReadingState) -> Values:
    items = [(str(n), value_of(item, frame, state)) for n, item in enumerate(node.elts)]
    starred = any(isinstance(item, ast.Starred) for item in node.elts)
    return UNCLEAR if starred else frozenset((Several(tuple(items)),))


def _mapping(node: ast.Dict, frame: Frame, state: ReadingState) -> Values:
    values = [value_of(value, frame, state) for value in node.values]
    keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
    items = tuple((str(k), v) for k, v in zip(keys, values, strict=True) if k is not None)
    return frozenset((Several(items),))


def _choice(node: ast.IfExp, frame: Frame, state: ReadingState) -> Values:
    value_of(node.test, frame, state)
    return joined(value_of(node.body, frame, state), value_of(node.orelse, frame, state))


def _scaled(node: ast.BinOp, frame: Frame, state: ReadingState) -> Values:
    """A result that a number is added to or multiplied with is still that result."""
    left, right = value_of(node.left, frame, state), value_of(node.right, frame, state)
    if isinstance(node.op, _SCALES):
        for values, other in ((left, node.right), (right, node.left)):
            results = all(isinstance(v, ModelResult) for v in values) and values
            if results and isinstance(other, ast.Constant):
                return values
    return UNCLEAR


def _awaited(node: Any, frame: Frame, state: ReadingState) -> Values:
    return value_of(node.value, frame, state)


def _named(node: ast.NamedExpr, frame: Frame, state: ReadingState) -> Values:
    found = value_of(node.value, frame, state)
    frame.names[node.target.id] = found
    return found


def _others(node: ast.expr, frame: Frame, state: ReadingState) -> Values:
    """Unclear; what is inside is read all the same, with unclear names of its own."""
    inner = frame.branch()
    for child in ast.walk(node):
        if isinstance(child, ast.comprehension):
            for name in ast.walk(child.target):
                if isinstance(name, ast.Name):
                    inner.names[name.id] = UNCLEAR
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and not isinstance(node, ast.Lambda):
            value_of(child, inner, state)
        elif isinstance(child, ast.comprehension):
            value_of(child.iter, inner, state)
    return UNCLEAR


_READERS: dict[type, Any] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Dict: _mapping,
    ast.IfExp: _choice,
    ast.BinOp: _scaled,
    ast.Await: _awaited,
    ast.NamedExpr: _named,
    ast.Call: lambda node, frame, state: state.call(node, frame, state),
}
