"""What a failed statement asks of tensors: their number of axes, and their sizes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bnlint.domain.objects import is_a, stored
from bnlint.tracing.fitting.statements import Statement, condition_of, held_by


@dataclass(frozen=True, slots=True)
class ComparedSize:
    """A number in a comparison, and the axis of a tensor whose size it is, if it is one."""

    number: int | None
    tensor: torch.Tensor | None = None
    axis: int = 0


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
    condition, known = condition_of(statement), statement.frame.f_locals
    for node in ast.walk(condition[0]) if condition is not None else ():
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
    condition, known = condition_of(statement), statement.frame.f_locals
    if condition is None:
        return []
    test, must_hold = condition
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and len(node.comparators) == 1:
            sides = _compared_sizes(node.left, known), _compared_sizes(node.comparators[0], known)
            found = [
                (left, right)
                for left, right in zip(*sides, strict=False)
                if _holds(node.ops[0], left.number, right.number) is (not must_hold)
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
        case ast.Call(func=ast.Attribute(value=holder, attr="size"), args=[index]):
            subscript = ast.Subscript(ast.Attribute(holder, "shape"), index)
            return _compared_sizes(subscript, known)
        case (
            ast.Attribute(value=holder, attr="shape")
            | ast.Call(func=ast.Attribute(value=holder, attr="size"))
        ):
            tensor = held_by(holder, known)
            shape = tensor.shape if isinstance(tensor, torch.Tensor) else ()
            return [ComparedSize(size, tensor, axis) for axis, size in enumerate(shape)]
        case ast.Name() | ast.Attribute() if is_a(held := held_by(node, known), (tuple, list)):
            return [ComparedSize(n if type(n) is int else None) for n in stored(held)]
        case _:
            return [ComparedSize(_number(node, known))]


def _number(node: ast.expr, known: Mapping[str, Any]) -> int | None:
    """The value of a literal, a name, an attribute of one, a length, or a size of a tensor."""
    value: Any = None
    match node:
        case ast.Constant(value=value):
            pass
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(size))):
            value = -size
        case ast.Name() | ast.Attribute():
            value = held_by(node, known)
        case ast.Subscript(value=ast.Attribute(value=holder, attr="shape"), slice=index):
            value = _size(held_by(holder, known), index)
        case ast.Call(func=ast.Attribute(value=holder, attr="size"), args=[index]):
            value = _size(held_by(holder, known), index)
        case ast.Call(func=ast.Name(id="len"), args=[holder]):
            held = held_by(holder, known)
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
