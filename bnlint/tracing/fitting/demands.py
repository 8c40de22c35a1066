"""What failures ask of the inputs: of a layer, of a function, or of a statement of the user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeGuard

import torch
from torch import nn

from bnlint.layers.calls import name_of
from bnlint.layers.table import Table
from bnlint.tracing.crashes import ASSERTIONS
from bnlint.tracing.fitting.asked_sizes import ComparedSize, asked_rank, compared, unbound
from bnlint.tracing.fitting.complaints import chunked, more_axes
from bnlint.tracing.fitting.demand import Demand, OtherBatch, OtherRank, OtherSize
from bnlint.tracing.fitting.function_demands import of_function
from bnlint.tracing.fitting.layer_demands import of_layer
from bnlint.tracing.fitting.statements import Statement, failed_statements, tensors_named
from bnlint.tracing.fitting.watching import Fault


def demands(fault: Fault, table: Table) -> list[Demand]:
    """What would fix a failure, likeliest first; empty if no input would."""
    if fault.target is None or name_of(fault.target) in ASSERTIONS:
        found: Iterable[Demand] = _of_statements(fault)
    elif isinstance(fault.target, nn.Module):
        found = of_layer(fault, table)
    else:
        found = of_function(fault)
    known = [demand for demand in found if fault.trail(demand.tensor) is not None]
    return [*_of_one_sample(fault, known), *known]


def _of_one_sample(fault: Fault, known: list[Demand]) -> Iterator[Demand]:
    """A single sample of a single step, where the forward made one of several."""
    for demand in known:
        trail = fault.trail(demand.tensor)
        if isinstance(demand, OtherSize) and trail is not None and trail.single:
            yield OtherBatch(demand.tensor, 1)


def _of_statements(fault: Fault) -> list[Demand]:
    """Errors of the user's own statements, else of those of a library that they called."""
    found = (list(_of_statement(fault, each)) for each in failed_statements(fault.error))
    return next((demands for demands in found if demands), [])


def _of_statement(fault: Fault, statement: Statement) -> Iterator[Demand]:
    """What a statement asks of tensors, such as ``b, c, h, w = x.shape``."""
    if (asked := asked_rank(statement)) is not None:
        tensor, rank = asked
        yield OtherRank(tensor, rank - tensor.ndim)
    elif sizes_compared := compared(statement):
        for left, right in sizes_compared:
            yield from _of_compared_sizes(statement, left, right)
    elif (sizes := chunked(fault.text)) is not None:
        yield from _of_sizes(statement, *sizes)
    elif (cut := unbound(statement)) is not None:
        tensor, axis, count = cut
        yield OtherSize(tensor, axis, count)
    elif by := more_axes(fault.text):
        yield from (OtherRank(tensor, by) for tensor in tensors_named(statement))


def _of_compared_sizes(
    statement: Statement, left: ComparedSize, right: ComparedSize
) -> Iterator[Demand]:
    """Two sizes that a statement compares: of named tensors, else of any that has one of them."""
    if left.number is None or right.number is None:
        return
    if left.tensor is None and right.tensor is None:
        yield from _of_sizes(statement, left.number, right.number)
    for own, other in ((left, right), (right, left)):
        if own.tensor is not None and other.number and _may_be(own.axis, other.number):
            yield OtherSize(own.tensor, own.axis, other.number, channels=False)


def _of_sizes(statement: Statement, left: int, right: int) -> Iterator[Demand]:
    """A size that is refused, of whatever tensor has it; the other one is wanted."""
    for tensor in filter(_is_tensor, statement.frame.f_locals.values()):
        for axis, size in enumerate(tensor.shape):
            want = right if size == left else left
            if size in (left, right) and left != right and _may_be(axis, want):
                yield OtherSize(tensor, axis, want, channels=False)


def _may_be(axis: int, size: int) -> bool:
    """True for a size of an input; that of the batch is changed only to a single sample."""
    return bool(axis and size) or size == 1


def _is_tensor(value: object) -> TypeGuard[torch.Tensor]:
    return isinstance(value, torch.Tensor)
