"""What the source of a forward says about the arguments that enter the model."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

from torch import nn

from bnlint.domain.graph import Value
from bnlint.domain.objects import home_of, is_a
from bnlint.tracing.modes.reads_of_mode import tree_of
from bnlint.tracing.tracers import Record


def entry_facts(model: nn.Module, record: Record) -> Mapping[str, Mapping[str, Value]]:
    """Facts of the calls that represent inputs, by their ids."""
    forward = inspect.unwrap(getattr(type(model), "forward", model.forward))
    if not isinstance(forward, FunctionType):
        return {}
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    by_name = {p.name: p for p in parameters}
    spoken, shared = _read_names(forward), _is_shared(type(model), forward)
    facts: dict[str, Mapping[str, Value]] = {}
    for call in record.calls:
        key = str(call.args[0]) if call.target == "input" and call.args else ""
        placed = key.isdigit() and int(key) < len(parameters)
        found = parameters[int(key)] if placed else by_name.get(key)
        if found is not None and found.kind not in (found.VAR_POSITIONAL, found.VAR_KEYWORD):
            facts[call.id] = {
                "argument": found.name,
                "required": found.default is found.empty,
                "named": spoken is None or found.name in spoken,
                "shared-signature": shared or _is_time(found.name, parameters),
            }
    return facts


def _read_names(forward: FunctionType) -> frozenset[str] | None:
    """The names that the body of a forward reads; None if it cannot be told."""
    tree = tree_of(forward.__code__)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = (n for n in ast.walk(tree) if isinstance(n, kinds)) if tree else iter(())
    function = next(functions, None)
    if function is None:
        return None
    nodes = [n for statement in function.body for n in ast.walk(statement)]
    read = (n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    names = frozenset(node.id for node in read)
    return None if names & {"locals", "vars", "super"} else names


def _is_time(name: str, parameters: Sequence[inspect.Parameter]) -> bool:
    """Whether it is the time of ``forward(t, y)``, which solvers of differential equations pass."""
    return name == "t" and len(parameters) == 2 and parameters[0].name == name


def _is_shared(cls: type, forward: Callable[..., Any]) -> bool:
    """Whether other models have the same signature, so that all are called in one way.

    Base classes and the other classes of the same file count.
    """
    mine = _names_of(forward)
    if len(mine) < 2:
        return False
    return any(_names_of(other) == mine for other in _others(cls, forward))


def _others(cls: type, forward: Any) -> Iterator[Any]:
    related = (base for base in cls.__mro__[1:] if not home_of(base).startswith("torch."))
    beside = (other for other in list(forward.__globals__.values()) if is_a(other, type))
    for other in (*related, *beside):
        if other is not cls and issubclass(other, nn.Module) and "forward" in vars(other):
            yield vars(other)["forward"]


def _names_of(function: Any) -> tuple[str, ...]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount] if code else ()
