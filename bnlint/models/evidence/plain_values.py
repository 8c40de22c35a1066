"""Values of expressions in source, as far as they can be known without running the source.

Literals, names, arithmetic and calls of harmless functions are evaluated. An expression that
builds something (a layer, a block of the file, a settings object), or calls a function of the file,
is only prepared: it is evaluated when the model is built, as often as that is tried.
"""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import copy
import functools
import math
import types
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from bnlint.domain.objects import home_of
from bnlint.loading.sites import is_local
from bnlint.models.lexicon import SAME_MODEL
from bnlint.models.outline import unpacked

_HARMLESS = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp),
    *(ast.BinOp, ast.operator, ast.unaryop, ast.expr_context, ast.Starred, ast.keyword, ast.Call),
    *(ast.Subscript, ast.Slice, ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop, ast.IfExp),
    *(ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp, ast.comprehension),
    *(ast.JoinedStr, ast.FormattedValue, ast.Lambda, ast.arguments, ast.arg),
)
"""Nodes of an expression that may be evaluated if nothing but harmless functions is called."""

_BUILTINS: dict[str, Any] = {
    f.__name__: f
    for f in (
        *(abs, bool, dict, enumerate, float, int, len, list, max, min, range, reversed, round),
        *(set, sorted, str, sum, tuple, zip, isinstance),
    )
}
_PLAIN_CLASSES = (
    *(functools.partial, argparse.Namespace, types.SimpleNamespace, collections.OrderedDict),
    *(torch.device, torch.Size),
)
_METHODS = frozenset(
    {"lower", "upper", "split", "strip", "get", "keys", "values", "items", "copy", "format", "join"}
)
"""Methods of texts and dicts."""

_ADDING = frozenset({"append", "add", "update", "extend", "setdefault", "insert"})

_LARGEST_EXPONENT = 64

Names = Mapping[str, Any]


@runtime_checkable
class Builds(Protocol):
    """An argument that is built again for each call."""

    def value(self) -> Any:
        """What the call gets."""


@dataclass(frozen=True, slots=True)
class Later:
    """An argument that is built when the call is made: each try gets one of its own."""

    text: str
    code: types.CodeType
    names: Names

    def __repr__(self) -> str:
        """The expression as it is written."""
        return self.text

    def value(self) -> Any:
        """What the expression builds now; raises whatever it raises."""
        read = {name: built(value) for name, value in self.names.items()}
        return eval(self.code, {"__builtins__": _BUILTINS, **read})


def evaluate(node: ast.expr, names: Names) -> Any:
    """The value of an expression, or :class:`Later` if it builds something.

    Raises ValueError if it may have side effects, or something in it is unknown.
    """
    node = _Elsewhere(names).visit(copy.deepcopy(node)) if _moves(node) else node
    loaded = _loaded(node)
    builds = any(isinstance(names.get(name), Later) for name in loaded)
    for part in ast.walk(node):
        if not isinstance(part, _HARMLESS) or _is_endless(part):
            raise ValueError("not a plain expression")
        if isinstance(part, ast.Call):
            builds |= _builds(part, names)
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    try:
        code = compile(ast.Expression(node), "<argument>", "eval")
    except SyntaxError as error:  # such as ``*args``, which is no expression alone
        raise ValueError(str(error)) from error
    if builds:
        if unknown := loaded - set(names) - set(_BUILTINS):
            raise ValueError(f"{min(unknown)} is unknown")
        read = {name: names[name] for name in _names_in(code) if name in names}
        return Later(ast.unparse(node), code, read)  # ``ds = Wrapped(ds)`` gives them other values
    try:
        return eval(code, {"__builtins__": _BUILTINS, **names})
    except Exception as error:
        raise ValueError(str(error)) from error


def _moves(node: ast.expr) -> bool:
    calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    return any(isinstance(func, ast.Attribute) and func.attr in SAME_MODEL for func in calls)


class _Elsewhere(ast.NodeTransformer):
    """Leaves out what only moves a model that is built: ``Net().to(device)``."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        func = node.func
        if not (isinstance(func, ast.Attribute) and func.attr in SAME_MODEL):
            return node
        built = isinstance(func.value, ast.Name) and isinstance(
            self.names.get(func.value.id), Later
        )
        return func.value if built or isinstance(func.value, ast.Call) else node


def _builds(call: ast.Call, names: Names) -> bool:
    """True if the call builds an object; ValueError if it may do anything else than compute."""
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr in _METHODS:
        return False
    if isinstance(func, ast.Attribute) and func.attr in SAME_MODEL:
        return isinstance(func.value, (ast.Call, ast.Name))
    target = _target(func, names)
    if target in _BUILTINS.values() or target in _PLAIN_CLASSES:
        return False
    if home_of(target) == math.__name__ or target is getattr:
        return False
    if isinstance(target, type) and (
        issubclass(target, nn.Module) or not home_of(target).startswith("torch")
    ):
        return True
    if isinstance(target, types.FunctionType) and is_local(target.__code__.co_filename):
        return True  # ``Net(make_layers(sizes))``
    raise ValueError("it calls a function")


def _target(func: ast.expr, names: Names) -> Any:
    if isinstance(func, ast.Name):
        if func.id in names:
            return names[func.id]
        if func.id in _BUILTINS:
            return _BUILTINS[func.id]
    elif isinstance(func, ast.Attribute):
        owner = _target(func.value, names)
        if isinstance(owner, (types.ModuleType, type)):
            with contextlib.suppress(Exception):  # a lazy module may import what is missing
                return getattr(owner, func.attr, None)
    raise ValueError("it calls something unknown")


def _is_endless(node: ast.AST) -> bool:
    """True for powers and repetitions whose result may be huge."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.LShift))):
        return False
    exponent = getattr(node.right, "value", None)
    return not isinstance(exponent, (int, float)) or abs(exponent) > _LARGEST_EXPONENT


def _loaded(node: ast.expr) -> set[str]:
    """The names that an expression reads, without those that it binds itself."""
    found = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    bound = {n.id for n in found if isinstance(n.ctx, ast.Store)}
    bound |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return {n.id for n in found} - bound


def _names_in(code: types.CodeType) -> set[str]:
    """The names that compiled code reads, also in its inner functions."""
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


def built(value: Any) -> Any:
    """An argument as the call gets it: built now, and no list or dict that another try changed."""
    if isinstance(value, Builds) and not isinstance(value, dict | type):
        return value.value()
    if type(value) is list:
        return [built(entry) for entry in value]
    if type(value) is dict:
        return {key: built(entry) for key, entry in value.items()}
    return value


def names_of(scope: ast.AST, names: Names, fixed: Collection[str] = ()) -> dict[str, Any]:
    """The names known in a block: ``names``, defaults, and what can be evaluated in the block.

    Those that a loop sets have the values of its first round; ``fixed`` ones keep theirs.
    """
    known, filled = dict(names), set(_filled(scope))
    for node in ast.walk(scope):
        if isinstance(node, (ast.For, ast.comprehension)):
            known |= _in_first_round(node, known)
        for name, value in (*_defaults(node), *_assigned(node)):
            if name in fixed:
                continue
            try:
                if name in filled and _is_empty(value):
                    raise ValueError("it is filled later")
                known[name] = evaluate(value, known)
            except ValueError:
                known.pop(name, None)
    return known


def _filled(scope: ast.AST) -> Iterator[str]:
    """The names of lists and dicts that something is added to."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            yield from (n.id for n in [node.value] if isinstance(n, ast.Name))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and node.func.attr in _ADDING:
                yield owner.id


def _is_empty(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return name in ("list", "dict", "set") and not (node.args or node.keywords)
    if isinstance(node, ast.Dict):
        return not node.keys
    return isinstance(node, (ast.List, ast.Set)) and not node.elts


def _in_first_round(loop: ast.For | ast.comprehension, names: Names) -> dict[str, Any]:
    with contextlib.suppress(ValueError, TypeError, StopIteration):
        first = next(iter(evaluate(loop.iter, names)))
        if isinstance(loop.target, ast.Name):
            return {loop.target.id: first}
        if isinstance(loop.target, ast.Tuple) and len(loop.target.elts) == len(first):
            pairs = zip(loop.target.elts, first, strict=True)
            return {name.id: value for name, value in pairs if isinstance(name, ast.Name)}
    return {}


def _defaults(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.arguments):
        names = [a.arg for a in (*node.posonlyargs, *node.args)]
        yield from zip(reversed(names), reversed(node.defaults), strict=False)
        for arg, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            if default is not None:
                yield arg.arg, default


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from unpacked(target, node.value)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from unpacked(node.target, node.value)
