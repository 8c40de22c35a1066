"""The statement of the user's code that raised an error, and the tensors that it names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import is_a, stored
from bnlint.loading.sites import is_machinery
from bnlint.tracing.modes.reads_of_mode import tree_of


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and the frame that ran it."""

    node: ast.stmt
    frame: FrameType


@dataclass(frozen=True, slots=True)
class ComparedSize:
    """A number in a comparison, and the axis of a tensor whose size it is, if it is one."""

    number: int | None
    tensor: torch.Tensor | None = None
    axis: int = 0


def failed_statement(error: BaseException) -> Statement | None:
    """The innermost statement of the user's code that an error passed; None without its source."""
    found: tuple[FrameType, int] | None = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        own = not is_machinery(code.co_filename) and "site-packages" not in code.co_filename
        if own or (found is None and not is_machinery(code.co_filename)):
            found = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    if found is None:
        return None
    frame, line = found
    statements = [n for n in _statements(frame.f_code) if n.lineno <= line <= (n.end_lineno or 0)]
    node = min(statements, key=lambda n: (n.end_lineno or 0) - n.lineno, default=None)
    return Statement(node, frame) if node is not None else None


def values_named(statement: Statement) -> Iterator[Any]:
    """The values of the names in a statement, in their order."""
    known = statement.frame.f_locals
    yield from (known[name] for name in _loaded(statement.node) if name in known)


def keys_looked_up(statement: Statement) -> list[Any]:
    """The keys of the dict that a statement indexes with a value: ``self.heads[task]``."""
    for node in ast.walk(statement.node):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            held = _held(node.value, {**statement.frame.f_globals, **statement.frame.f_locals})
            if is_a(held, (dict, nn.ModuleDict, nn.ParameterDict)):
                return [key for key in held if isinstance(key, (str, int))]
    return []


def _held(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """What a name or an attribute holds; None for any other expression."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    holder = _held(node.value, known)
    held = getattr(holder, "__dict__", {})
    return {**held, **held.get("_modules", {})}.get(node.attr)


def tensors_named(statement: Statement) -> Iterator[torch.Tensor]:
    """Those of the values named in a statement that are tensors."""
    yield from (value for value in values_named(statement) if isinstance(value, torch.Tensor))


def unbound(statement: Statement) -> tuple[torch.Tensor, int, int] | None:
    """A tensor, the axis along which ``x, y, z = points.unbind(-1)`` cuts it, and the 3."""
    match statement.node:
        case ast.Assign(
            targets=[ast.Tuple(elts=targets)],
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="unbind"),
                args=args,
                keywords=keywords,
            ),
        ):
            pass
        case _:
            return None
    if name == "torch" and args and isinstance(args[0], ast.Name):
        name, args = args[0].id, args[1:]
    known, axes = statement.frame.f_locals, [*args, *(k.value for k in keywords)]
    tensor, axis = known.get(name), _number(axes[0], known) if axes else 0
    if axis is None or not isinstance(tensor, torch.Tensor) or not -1 <= axis < tensor.ndim:
        return None
    return tensor, axis % tensor.ndim, len(targets)


def asked_rank(statement: Statement) -> tuple[torch.Tensor, int] | None:
    """A tensor and the rank that it should have.

    For ``assert len(x.shape) == 4``, or for ``if x.dim() != self.rank: raise``.
    """
    test, known = _test(statement), statement.frame.f_locals
    for node in ast.walk(test) if test is not None else ():
        if isinstance(node, ast.Compare) and len(node.comparators) == 1:
            tensor = _ranked(node.left, known)
            rank = _bound(node.ops[0], node.comparators[0], known)
            if tensor is not None and rank is not None and rank != tensor.ndim:
                return tensor, rank
    return None


def _ranked(node: ast.expr, known: Mapping[str, Any]) -> torch.Tensor | None:
    """The tensor whose rank an expression is."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr="ndim"):
            pass
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="dim" | "ndimension")):
            pass
        case ast.Call(
            func=ast.Name(id="len"),
            args=[
                ast.Attribute(value=ast.Name(id=name), attr="shape")
                | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="size"))
            ],
        ):
            pass
        case _:
            return None
    found = known.get(name)
    return found if isinstance(found, torch.Tensor) else None


def _bound(operator: ast.cmpop, node: ast.expr, known: Mapping[str, Any]) -> int | None:
    """The number that a comparison asks for: the first of several, the smallest above a bound."""
    if isinstance(operator, (ast.In, ast.NotIn)) and isinstance(node, (ast.Tuple, ast.List)):
        numbers = (_number(each, known) for each in node.elts)
        return next((number for number in numbers if number is not None), None)
    number = _number(node, known)
    return number + 1 if number is not None and isinstance(operator, (ast.Gt, ast.LtE)) else number


def compared(statement: Statement) -> list[tuple[ComparedSize, ComparedSize]]:
    """The numbers of ``assert t <= self.longest`` or of ``if t > self.longest: raise``.

    Of several comparisons the first that fails; of sizes compared as tuples those that differ.
    """
    test, known = _test(statement), statement.frame.f_locals
    refused = not isinstance(statement.node, ast.Assert)
    for node in ast.walk(test) if test is not None else ():
        if isinstance(node, ast.Compare) and len(node.comparators) == 1:
            sides = _compared_sizes(node.left, known), _compared_sizes(node.comparators[0], known)
            found = [
                (left, right)
                for left, right in zip(*sides, strict=False)
                if _holds(node.ops[0], left.number, right.number) is refused
            ]
            if found:
                return found
    return []


def _holds(operator: ast.cmpop, left: int | None, right: int | None) -> bool | None:
    """Whether two numbers compare so; None for the same number, or where it is not by size."""
    if left is None or right is None or left == right:
        return None
    return {
        ast.Eq: left == right,
        ast.NotEq: left != right,
        ast.Lt: left < right,
        ast.LtE: left <= right,
        ast.Gt: left > right,
        ast.GtE: left >= right,
    }.get(type(operator))


def _compared_sizes(node: ast.expr, known: Mapping[str, Any]) -> list[ComparedSize]:
    """The numbers of a tuple, or of the sizes of a tensor; else the one number of an expression."""
    match node:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [each for part in parts for each in _compared_sizes(part, known)]
        case ast.Call(func=ast.Name(id="tuple" | "list"), args=[inner]):
            return _compared_sizes(inner, known)
        case ast.Subscript(value=inner, slice=ast.Slice(lower=lower, upper=upper, step=None)):
            ends = [None if end is None else _number(end, known) for end in (lower, upper)]
            return _compared_sizes(inner, known)[slice(*ends)]
        case ast.Subscript(value=inner, slice=index) if _number(index, known) is not None:
            sizes = _compared_sizes(inner, known)
            axis = _number(index, known) or 0
            return sizes[axis:][:1] if -len(sizes) <= axis < len(sizes) else [ComparedSize(None)]
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="size"), args=[index]):
            subscript = ast.Subscript(ast.Attribute(ast.Name(name), "shape"), index)
            return _compared_sizes(subscript, known)
        case (
            ast.Attribute(value=ast.Name(id=name), attr="shape")
            | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="size"))
        ):
            tensor = known.get(name)
            shape = tensor.shape if isinstance(tensor, torch.Tensor) else ()
            return [ComparedSize(size, tensor, axis) for axis, size in enumerate(shape)]
        case _:
            return [ComparedSize(_number(node, known))]


def _test(statement: Statement) -> ast.expr | None:
    """What an assertion asserts, or the condition under which an error is raised."""
    if isinstance(statement.node, ast.Assert):
        return statement.node.test
    if not isinstance(statement.node, ast.Raise):
        return None
    conditions = (n for n in _statements(statement.frame.f_code) if isinstance(n, ast.If))
    return next((n.test for n in conditions if statement.node in n.body), None)


def _number(node: ast.expr, known: Mapping[str, Any]) -> int | None:
    """The value of a literal, a name, an attribute of one, a length, or a size of a tensor."""
    value: Any = None
    match node:
        case ast.Constant(value=value):
            pass
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(size))):
            value = -size
        case ast.Name(id=name):
            value = known.get(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            value = getattr(known.get(name), "__dict__", {}).get(attr)
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=name), attr="shape"), slice=index):
            value = _size(known.get(name), index)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="size"), args=[index]):
            value = _size(known.get(name), index)
        case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]):
            held: Any = known.get(name)
            value = len(tuple(stored(held))) if is_a(held, (tuple, list)) else None
        case ast.BinOp(left=left, op=operator, right=right):
            value = _computed(operator, _number(left, known), _number(right, known))
    return value if type(value) is int else None


def _computed(operator: ast.operator, left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return None
    if isinstance(operator, ast.FloorDiv):
        return left // right if right else None
    by_type = {ast.Add: left + right, ast.Sub: left - right, ast.Mult: left * right}
    return by_type.get(type(operator))


def _size(tensor: Any, index: ast.expr) -> int | None:
    axis = ast.literal_eval(index) if isinstance(index, (ast.Constant, ast.UnaryOp)) else None
    if not isinstance(tensor, torch.Tensor) or type(axis) is not int:
        return None
    return tensor.shape[axis] if -tensor.ndim <= axis < tensor.ndim else None


def _loaded(node: ast.stmt) -> list[str]:
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return list(dict.fromkeys(n.id for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))))


@lru_cache(maxsize=256)
def _statements(code: CodeType) -> tuple[ast.stmt, ...]:
    tree = tree_of(code)
    return tuple(n for n in ast.walk(tree) if isinstance(n, ast.stmt)) if tree else ()
