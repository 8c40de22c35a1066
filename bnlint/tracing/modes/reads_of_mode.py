"""Whether a forward may run other operations in evaluation than in training.

While a model is traced, every read of ``module.training`` is observed, also in helper functions,
properties and base classes. If no read depends on the mode, both modes run the same operations,
and the second mode need not be traced (see :mod:`switching` for what a switch itself does).

Two kinds of reads make no difference: expressions with the same value in both modes
(``self.drop.p if self.training else 0.0`` with ``p = 0``), and arguments of torch's own functions
(``F.dropout(x, training=self.training)``), which are one operation in both modes.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import itertools
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType, ModuleType
from typing import Any

from torch import nn

from bnlint.domain.objects import home_of, is_a
from bnlint.layers.table import Table, is_leaf
from bnlint.loading.sites import is_machinery

_PLAIN = (bool, int, float, str, type(None))
_SIMPLE = (ast.BoolOp, ast.UnaryOp, ast.Compare, ast.IfExp)
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}
_UNKNOWN = object()


@contextlib.contextmanager
def watched_mode(model: nn.Module, table: Table) -> Iterator[ModeWatch]:
    """Observe the reads of ``training`` by the code of ``model`` inside the block."""
    kinds: set[Any] = {type(m) for m in model.modules()}
    watch = ModeWatch(table, any(_computes_mode(kind) for kind in kinds))
    module: Any = nn.Module
    module.training = _Training(watch)
    try:
        yield watch
    finally:
        del module.training


@dataclass(slots=True)
class ModeWatch:
    """``differs`` is true once the other mode might run other operations."""

    table: Table
    differs: bool

    def note(self, frame: FrameType) -> None:
        """Judge one read of the mode by the frame that reads it."""
        code, file = frame.f_code, frame.f_code.co_filename
        if self.differs or (is_machinery(file) and not file.startswith("<")):  # code from a string
            return
        scope = {**frame.f_globals, **frame.f_locals}
        if self._inside_leaf(scope.get(code.co_varnames[0]) if code.co_varnames else None):
            return
        reading = _reading_at(code, frame.f_lasti)
        self.differs = reading is None or reading.matters(scope)

    def _inside_leaf(self, reader: Any) -> bool:
        """True for the code of a layer that is a single operation, whatever it does inside."""
        return is_a(reader, nn.Module) and is_leaf(reader, self.table)


class _Training:
    """``training`` of all modules while observed; as a descriptor it precedes their dicts."""

    def __init__(self, watch: ModeWatch) -> None:
        self.watch = watch

    def __get__(self, module: nn.Module | None, cls: type) -> Any:
        known = {} if module is None else vars(module)
        if "training" not in known:  # a scripted module keeps it elsewhere
            raise AttributeError("training")
        self.watch.note(sys._getframe(1))
        return known["training"]

    def __set__(self, module: nn.Module, value: Any) -> None:
        vars(module)["training"] = value


def sets_mode(cls: type) -> bool:
    """True for a class that overrides ``train`` or ``eval``, or computes ``training``."""
    return _has_own(cls, ("train", "eval", "training"))


def _computes_mode(cls: type) -> bool:
    return _has_own(cls, ("training",))


@lru_cache(maxsize=4096)
def _has_own(cls: type, names: tuple[str, ...]) -> bool:
    """True for a class of the user's that has one of these attributes, or inherits it."""
    own = [vars(base) for base in cls.__mro__ if not home_of(base).startswith("torch.")]
    return any(not own_names.keys().isdisjoint(names) for own_names in own)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A read in the source: the whole expression around it, and the call it is an argument of."""

    expression: ast.expr
    function: ast.expr | None

    def matters(self, scope: Mapping[str, Any]) -> bool:
        """True if the mode may change which operations run."""
        values = [_value(self.expression, scope, mode) for mode in (True, False)]
        plain = all(is_a(value, _PLAIN) for value in values)
        if plain and type(values[0]) is type(values[1]) and values[0] == values[1]:
            return False
        return self.function is None or not _is_torchs(self.function, scope)


@lru_cache(maxsize=1024)
def _reading_at(code: CodeType, instruction: int) -> _Reading | None:
    """The read of the mode at an instruction; None if the source is not available."""
    position = next(itertools.islice(code.co_positions(), instruction // 2, None), None)
    tree = tree_of(code)
    if position is None or tree is None:
        return None
    _, line, _, column = position
    path = _path_to(tree, line, column)
    if not path:
        return None
    expression = path.pop()
    while path and isinstance(path[-1], _SIMPLE):
        expression = path.pop()
    if path and isinstance(path[-1], ast.keyword):
        path.pop()
    call = path[-1] if path else None
    taken = isinstance(call, ast.Call) and expression is not call.func
    return _Reading(expression, call.func if taken and isinstance(call, ast.Call) else None)


def tree_of(code: CodeType) -> ast.AST | None:
    """The syntax tree of a function, with the positions in its file."""
    try:
        lines, first = inspect.getsourcelines(code)
        indented = lines[0][:1].isspace()
        tree = ast.parse(("if 1:\n" if indented else "") + "".join(lines))
    except Exception:  # no source; or an odd module, since all that are loaded are asked
        return None
    return ast.increment_lineno(tree, first - 1 - indented)


def _path_to(node: ast.AST, line: int | None, column: int | None) -> list[Any]:
    """The nodes from ``node`` to the attribute ``training`` that ends at a position."""
    ends = getattr(node, "end_lineno", None), getattr(node, "end_col_offset", None)
    if ends == (line, column) and isinstance(node, ast.Attribute) and node.attr == "training":
        return [node]
    for child in ast.iter_child_nodes(node):
        if below := _path_to(child, line, column):
            return [node, *below]
    return []


def _value(node: ast.expr, scope: Mapping[str, Any], mode: bool) -> Any:
    """The value in the mode ``mode`` of an expression of names, attributes and logic.

    No code of the user is run; whatever needs that is ``_UNKNOWN``.
    """
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return scope.get(name, _UNKNOWN)
        case ast.Attribute(attr="training"):
            return mode
        case ast.Attribute(value=holder, attr=name):
            return _attribute(_value(holder, scope, mode), name)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            truth = _truth(_value(operand, scope, mode))
            return _UNKNOWN if truth is None else not truth
        case ast.IfExp(test=test, body=body, orelse=orelse):
            truth = _truth(_value(test, scope, mode))
            return _UNKNOWN if truth is None else _value(body if truth else orelse, scope, mode)
        case ast.BoolOp(op=op, values=values):
            return _joined([_value(v, scope, mode) for v in values], isinstance(op, ast.And))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(_value(left, scope, mode), op, _value(right, scope, mode))
    return _UNKNOWN


def _attribute(holder: Any, name: str) -> Any:
    if holder is _UNKNOWN:
        return _UNKNOWN
    found = getattr(holder, "__dict__", {}).get(name, _UNKNOWN)
    if found is _UNKNOWN and is_a(holder, nn.Module):
        return holder._modules.get(name, _UNKNOWN)
    return found


def _truth(value: Any) -> bool | None:
    return bool(value) if is_a(value, _PLAIN) else None


def _joined(values: list[Any], conjunction: bool) -> Any:
    for value in values:
        truth = _truth(value)
        if truth is None or truth is not conjunction:
            return value if truth is not None else _UNKNOWN
    return values[-1]


def _compared(left: Any, op: ast.cmpop, right: Any) -> Any:
    if left is _UNKNOWN or right is _UNKNOWN:
        return _UNKNOWN
    if isinstance(op, (ast.Is, ast.IsNot)):
        return (left is right) is isinstance(op, ast.Is)
    if not is_a(left, _PLAIN) or not is_a(right, _PLAIN):
        return _UNKNOWN
    try:
        return _COMPARISONS[type(op)](left, right)
    except (KeyError, TypeError):
        return _UNKNOWN


def _is_torchs(function: ast.expr, scope: Mapping[str, Any]) -> bool:
    """True for torch's own functions, which are one operation whatever their arguments."""
    found = _value(function, scope, True)
    home = home_of(found)
    if home:
        return home == "torch" or home.startswith("torch.")
    holder = _value(function.value, scope, True) if isinstance(function, ast.Attribute) else None
    return is_a(holder, ModuleType) and holder.__name__.split(".")[0] == "torch"
