"""A model that the user named: ``Net``, ``Net(3, 10)``, ``zoo.build(width=2)``."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.request import ModelSpec


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for: a model, something to call without arguments, or a whole call."""

    name: str
    value: Any = None
    call: Callable[[], Any] | None = None


def resolve(spec: ModelSpec, names: Mapping[str, Any], path: str) -> Named | Problem:
    """The thing that was named, not yet called; a Problem where the file has no such name."""
    try:
        node = ast.parse(spec.call, mode="eval").body
    except SyntaxError as error:
        return _wrong(spec, path, f"`{spec.call}` is not a name or a call: {error.msg}")
    func = node.func if isinstance(node, ast.Call) else node
    if not isinstance(func, (ast.Name, ast.Attribute)):
        return _wrong(spec, path, f"`{spec.call}` is neither a name nor the call of one")
    name = ast.unparse(func)
    try:
        value = eval(name, {"__builtins__": {}}, dict(names))
    except (NameError, AttributeError):
        return _unknown(spec, name, names, path)
    if isinstance(node, ast.Call):
        return Named(name, value, partial(eval, spec.call, dict(names)))
    if isinstance(value, nn.Module) or callable(value):
        return Named(name, value)
    return _wrong(
        spec, path, f"`{name}` is {type(value).__name__}, not a model or a way to get one"
    )


def _unknown(spec: ModelSpec, name: str, names: Mapping[str, Any], path: str) -> Problem:
    useful = [n for n, v in names.items() if callable(v) or isinstance(v, nn.Module)]
    public = [n for n in useful if not n.startswith("_")]
    close = difflib.get_close_matches(name, public, 1, 0.5)
    hint = f"did you mean `{close[0]}`?" if close else _list(public)
    return _wrong(spec, path, f"has no `{name}`", hint)


def _list(names: list[str]) -> str:
    return f"it has {', '.join(names[:10])}" if names else "it has no model at all"


def _wrong(spec: ModelSpec, path: str, message: str, hint: str = "") -> Problem:
    return Problem(ProblemKind.NO_MODEL, path, message, hint, model=spec.call, blocking=True)
