"""What a trace in evaluation mode tells about the calls of the one in training mode.

A dropout that is on in both is not switched off by ``model.eval()``; a result that nothing reads in
training may be read in evaluation.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from bnlint.domain.graph import Value
from bnlint.layers.calls import Call, is_module, name_of
from bnlint.layers.of_calls import arguments_of, kind_of
from bnlint.layers.table import Table
from bnlint.tracing.modes.reads_of_mode import tree_of
from bnlint.tracing.tracers import Record

_DROPS = frozenset(("dropout", "droppath", "attention"))
_Place = tuple[str, object]
"""Where a call is made: the module whose forward does it, and the instruction."""


def has_loose_dropout(record: Record, table: Table) -> bool:
    """Whether a dropout is on that the mode of the model need not reach."""
    return any(_is_loose(call, table) and _is_on(call) for call in record.calls)


def mode_facts(
    training: Record, evaluation: Record, table: Table
) -> Mapping[str, Mapping[str, Value]]:
    """Facts of the calls in training, by their ids, from what is called in evaluation."""
    facts: dict[str, dict[str, Value]] = {}
    on = {_place(c) for c in evaluation.calls if _is_loose(c, table) and _is_on(c)}
    for call in training.calls:
        if _drops(call, table):  # a registered layer follows the mode of the model
            found = _is_loose(call, table) and _place(call) in on
            facts[call.id] = {"on-in-evaluation": found}
            if found and _says_true(call):
                facts[call.id]["on-explicitly"] = True
    if evaluation is not training:
        for call in _read_only_there(training, evaluation):
            facts.setdefault(call.id, {})["read-in-evaluation"] = True
    return facts


def _place(call: Call) -> _Place:
    return call.owner, call.frames[:1]


def _is_loose(call: Call, table: Table) -> bool:
    """Whether it is a dropout as a function, or a layer that is not registered."""
    return _drops(call, table) and (bool(call.held) or not is_module(call.target))


def _drops(call: Call, table: Table) -> bool:
    kind = kind_of(call, table)
    return kind is not None and not _DROPS.isdisjoint(kind.tags)


def _is_on(call: Call) -> bool:
    if isinstance(call.target, nn.Module):
        p = getattr(call.target, "p", 0)
        return call.target.training and isinstance(p, (int, float)) and p > 0
    arguments = arguments_of(call.target, call.args, call.kwargs)
    if name_of(call.target) == "scaled_dot_product_attention":
        names = ("query", "key", "value", "attn_mask", "dropout_p")
        arguments = {**dict(zip(names, call.args, strict=False)), **call.kwargs, "training": True}
    p = arguments.get("dropout_p", arguments.get("p", 0))
    mode = arguments.get("training", arguments.get("train"))
    return mode is True and isinstance(p, (int, float)) and p > 0


def _says_true(call: Call) -> bool:
    """Whether the source passes ``training=True`` literally, as for Monte Carlo dropout."""
    node = _expression(call)
    if node is None:
        return False
    given = [k.value for k in node.keywords if k.arg in ("training", "train")] + node.args[2:3]
    return any(isinstance(value, ast.Constant) and value.value is True for value in given)


def _expression(call: Call) -> ast.Call | None:
    """The call in the source; None where that is not available."""
    if not call.frames:
        return None
    code, instruction = call.frames[0]
    position: Any = next(itertools.islice(code.co_positions(), instruction // 2, None), None)
    tree = tree_of(code)
    if position is None or tree is None:
        return None
    line, end_line, column, end_column = position
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    starting = (n for n in calls if (n.lineno, n.col_offset) == (line, column))
    ending = (n for n in starting if (n.end_lineno, n.end_col_offset) == (end_line, end_column))
    return next(ending, None)


def _read_only_there(training: Record, evaluation: Record) -> Iterator[Call]:
    """The calls whose result an output depends on in evaluation, and not in training."""
    read = {_place(call) for call in _read(evaluation)}
    known = {call.id for call in _read(training)}
    return (c for c in training.calls if c.id not in known and _place(c) in read)


def _read(record: Record) -> Iterator[Call]:
    """The calls that an output depends on."""
    calls = {call.id: call for call in record.calls}
    todo = [ref.id for ref in record.outputs]
    seen: set[str] = set()
    while todo:
        call = calls.get(todo.pop())
        if call is not None and call.id not in seen:
            seen.add(call.id)
            yield call
            todo += [ref.id for ref in call.refs()]
