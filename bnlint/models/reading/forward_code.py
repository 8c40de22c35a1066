"""The syntax tree of a forward or of a method that it calls."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from torch import nn

from bnlint.domain.objects import home_of
from bnlint.loading.sites import file_of, is_local
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


def names_around(function: object) -> Mapping[str, Any]:
    """The names of the file in which a function or method is written."""
    return inspect.unwrap(function).__globals__ if inspect.isfunction(function) else {}


def helper_of(names: Mapping[str, Any], name: str) -> Callable[..., Any] | None:
    """The function of the user's code that has this name in a file; None for others."""
    found = names.get(name)
    if not inspect.isfunction(found) or not is_local(file_of(sys.modules.get(home_of(found)))):
        return None
    return found


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


def parameters_of(function: Function, *, bound: bool = True) -> list[str]:
    """The names of parameters, first those that take a place; of a method without ``self``."""
    arguments = function.args
    placed = (*arguments.posonlyargs, *arguments.args)[1 if bound else 0 :]
    return [a.arg for a in (*placed, *arguments.kwonlyargs)]


def required_of(function: Function, *, bound: bool = True) -> list[str]:
    """The parameters of :func:`parameters_of` that have no default."""
    arguments = function.args
    placed = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    needed = placed[: len(placed) - len(arguments.defaults)][1 if bound else 0 :]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [*needed, *(a.arg for a, default in pairs if default is None)]
