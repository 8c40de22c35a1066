"""The syntax tree of a forward or of a method that it calls."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from torch import nn

from bnlint.domain.objects import home_of
from bnlint.models.outline import only_raises_in

Function = ast.FunctionDef


def forward_of(model: nn.Module) -> Function | None:
    """The source of the forward that a model runs; None where there is none to read."""
    return method_of(model, "forward")


def method_of(owner: object, name: str) -> Function | None:
    """The source of a method of the user's code; None for others and where it is not found."""
    found = getattr(type(owner), name, None)
    if not inspect.isfunction(found):
        return None
    return function_tree(inspect.unwrap(found))


@lru_cache(maxsize=512)
def function_tree(function: Callable[..., Any]) -> Function | None:
    """The syntax tree of a function."""
    home = home_of(function)
    if home == "torch" or home.startswith("torch."):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    return next((node for node in tree.body if isinstance(node, Function)), None)


def forwards_nothing(cls: type[nn.Module]) -> bool:
    """True for a base class: it has no forward, or one that only raises an error."""
    forward = getattr(cls, "forward", None)
    if not inspect.isfunction(forward) or forward is nn.Module.forward:
        return forward is nn.Module.forward
    tree = function_tree(inspect.unwrap(forward))
    return tree is not None and only_raises_in(tree)


def parameters_of(function: Function) -> list[str]:
    """The names of a method's positional parameters, without ``self``."""
    arguments = function.args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args)][1:]
