"""What a call in source calls, and which parameter takes which of its arguments."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from torch import nn

from bnlint.domain.objects import home_of
from bnlint.models.evidence.bodies import Function
from bnlint.models.evidence.uses import ParameterUse


class Inside:
    """The class whose code is read: what ``self`` is called, and its methods.

    ``kept`` are the values that methods store which the constructor calls, by ``self.name``.
    """

    def __init__(self, own: str, methods: Mapping[str, Function], owner: type) -> None:
        self.own, self.methods, self.owner = own, methods, owner
        self.kept: dict[str, ParameterUse] = {}

    def method(self, func: ast.expr) -> Function | None:
        """The method that ``self.name`` is."""
        own = isinstance(func, ast.Attribute) and ast.unparse(func.value) == self.own
        return self.methods.get(func.attr) if own else None  # type: ignore[attr-defined]


def names_of_arguments(body: Function) -> list[str]:
    """The names of a function's parameters, in their order."""
    arguments = body.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.kwarg)
    return [a.arg for a in every if a is not None]


def places_of(body: Function) -> list[str]:
    """The names of the parameters that arguments without a name are for, in their order."""
    return [a.arg for a in (*body.args.posonlyargs, *body.args.args)]


def parameters_of(value: Any) -> list[str]:
    """The same of a callable, ``args`` for ``*args`` included; empty if it does not tell."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]


def resolved(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The object that a dotted name of the module refers to; None if it is none."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = resolved(node.value, names)
        if isinstance(owner, (ModuleType, type)):
            with contextlib.suppress(Exception):  # a lazy module may import what is missing
                return getattr(owner, node.attr, None)
    return None


def bound(call: ast.Call, parameters: list[str]) -> Iterator[tuple[str, ast.expr]]:
    """Each argument of a call with the name of the parameter that takes it."""
    for name, value in zip(parameters, call.args, strict=False):
        if isinstance(value, ast.Starred):
            break
        yield name, value
    yield from ((k.arg, k.value) for k in call.keywords if k.arg)


def is_layer(value: Any) -> bool:
    """True for a class of layers that torch defines."""
    return isinstance(value, type) and issubclass(value, nn.Module) and _of_torch(value)


def calls_helper(call: ast.Call, around: ast.AST | None) -> bool:
    """True if no layer is made: the result is not used, or the arguments are texts alone."""
    texts = [isinstance(a, ast.JoinedStr) or _is_text(a) for a in call.args]
    return isinstance(around, ast.Expr) or (bool(texts) and all(texts))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _of_torch(value: type) -> bool:
    return home_of(value).startswith("torch.")


def is_super_init(func: ast.expr) -> bool:
    """True for ``super().__init__`` and ``Base.__init__``."""
    return isinstance(func, ast.Attribute) and func.attr == "__init__"
